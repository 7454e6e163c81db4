package rules

import (
	"cmp"
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// TracingFullSampling reports proxies that trace every request.
var TracingFullSampling = &analyze.Rule{
	Name:       "tracing-full-sampling",
	Code:       "PRX04",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Performance,
	Profile:    analyze.Perf,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title:   "every request is traced",
		Finds:   "`tracing.random_sampling` of 100 percent, or none, which means 100, with a `tracing.provider`, else with that of the bootstrap (`tracing.http`), in the HTTP connection managers of active listeners; `tracing.overall_sampling` below 100 limits it.",
		Hurts:   "Each request costs a span in each proxy that it passes, and a call to the collector: CPU, memory, network, and the storage behind the collector.",
		Example: `"tracing": {"provider": {"name": "envoy.tracers.zipkin"}, "random_sampling": {"value": 100}}`,
		Silent:  "connection managers without a provider where the bootstrap has none either: they trace nothing. A collector that samples itself (tail sampling) wants to get everything: the capture does not tell.",
		Fix:     "set randomSamplingPercentage in the Telemetry resource, Istio's default is 1",
		References: []string{
			"https://istio.io/latest/docs/tasks/observability/distributed-tracing/sampling/",
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
		},
	},
	Run: runTracingFullSampling,
}

// fullyTraced is the name of the first filter chain of a listener that traces
// every request, and its provider; "" for the bootstrap's.
type fullyTraced struct{ chain, provider string }

func runTracingFullSampling(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		byProvider := map[string][]analyze.Location{}
		var providers []string
		for _, r := range activeListeners(p) {
			traced := analyze.Once(pass, r.Content, func() fullyTraced { return tracesAll(pass, r) })
			if traced.provider == "" && traced.chain != "" {
				traced.provider = bootstrapTracer(p)
			}
			if traced.provider == "" {
				continue
			}
			in := analyze.Location{Ref: p.Ref(mesh.Listener, r.Name()), Source: r.Source, Message: "traces every request"}
			in.Ref.Path = traced.chain
			if byProvider[traced.provider] == nil {
				providers = append(providers, traced.provider)
			}
			byProvider[traced.provider] = append(byProvider[traced.provider], in)
		}
		for _, provider := range providers {
			places := byProvider[provider]
			pass.Report(analyze.Finding{
				Ref:     p.Ref(mesh.Listener, ""),
				Source:  places[0].Source,
				Message: fmt.Sprintf("100%% of the requests are traced with %s, in %s", provider, countNamed(len(places), "listener")),
				Essence: provider,
				Related: places,
			})
		}
	}
}

const everything = 100

func tracesAll(pass *analyze.Pass, r *mesh.Resource) fullyTraced {
	var byBootstrap fullyTraced
	for _, chain := range filterChains(pass, r) {
		tracing := chain.manager.GetTracing()
		if tracing == nil {
			continue
		}
		random, overall := tracing.GetRandomSampling(), tracing.GetOverallSampling()
		if (random == nil || random.GetValue() >= everything) && (overall == nil || overall.GetValue() >= everything) {
			if tracing.GetProvider() != nil {
				return fullyTraced{chain.nameOrKind(), tracing.GetProvider().GetName()}
			}
			byBootstrap.chain = cmp.Or(byBootstrap.chain, chain.nameOrKind())
		}
	}
	return byBootstrap
}

// bootstrapTracer is what traces for connection managers that name no provider.
func bootstrapTracer(p *mesh.Proxy) string {
	if p.Bootstrap == nil {
		return ""
	}
	return p.Bootstrap.Peek("tracing", "http", "name")
}
