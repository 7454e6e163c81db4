package rules

import "github.com/meshray/meshray/analyze/mesh"

// countedCalls sums Istio's standard metrics of a proxy as a client, requests
// and opened TCP connections, by destination_service. keep chooses by labels.
// The counters run since the proxy started.
func countedCalls(p *mesh.Proxy, keep func(labels map[string]string) bool) map[string]float64 {
	stats, err := p.Stats.Get()
	if stats == nil || err != nil && len(stats.Samples) == 0 {
		return nil
	}
	calls := map[string]float64{}
	for _, s := range stats.Samples {
		if s.Name != "istio_requests_total" && s.Name != "istio_tcp_connections_opened_total" {
			continue
		}
		if s.Value > 0 && s.Labels["reporter"] != "destination" && keep(s.Labels) {
			calls[s.Labels["destination_service"]] += s.Value
		}
	}
	return calls
}
