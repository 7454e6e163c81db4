package mesh

import (
	"cmp"
	"slices"
	"strings"
)

// Stats are the counters, gauges and text readouts of a proxy or of istiod.
// Histograms are left out.
type Stats struct {
	Samples []Sample
}

// Sample is one value. In Envoy's own format Name is the whole dotted name and
// Labels is nil; in Prometheus format Name starts with "envoy_" or "istio_".
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
	// Text is set for a text readout instead of Value.
	Text string
}

// Rejection is a counter of refused xDS updates.
type Rejection struct {
	// Type is CDS, LDS, EDS, RDS, SRDS, VHDS, SDS, ECDS or RTDS; "" for a
	// subscription of another kind.
	Type string
	// Name is the resource or subscription that the counter belongs to: the
	// route configuration of RDS, the cluster of EDS, the secret of SDS; empty for
	// CDS and LDS. In Prometheus format Envoy keeps the name of an EDS cluster only
	// up to its first dot, and writes dots and dashes of an ECDS name as "_".
	Name  string
	Count float64
	// Metric is the counter's full name as captured.
	Metric string
}

// updateRejected ends the name of every counter of refused updates.
const updateRejected = "update_rejected"

// Rejections returns all counters "*.update_rejected" above zero, sorted by
// type and name. They count since Envoy started, so they do not tell whether
// the latest update was refused. A nil Stats has none.
func (s *Stats) Rejections() []Rejection {
	if s == nil {
		return nil
	}
	var out []Rejection
	for _, sample := range s.Samples {
		if sample.Value > 0 && strings.HasSuffix(sample.Name, updateRejected) {
			out = append(out, rejection(sample))
		}
	}
	slices.SortStableFunc(out, func(a, b Rejection) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name))
	})
	return out
}

func rejection(sample Sample) Rejection {
	r := Rejection{Count: sample.Value, Metric: sample.Name}
	if metric, ok := strings.CutPrefix(sample.Name, "envoy_"); ok {
		r.Type, r.Name = prometheusSubscription(strings.TrimSuffix(metric, "_"+updateRejected), sample.Labels)
	} else {
		r.Type, r.Name = subscription(strings.TrimSuffix(sample.Name, "."+updateRejected))
	}
	return r
}

// subscription reads the scope of a subscription's counters in Envoy's own
// format, such as "http.PREFIX.rds.NAME".
func subscription(scope string) (kind, name string) {
	root, rest, _ := strings.Cut(scope, ".")
	switch root {
	case "cluster_manager":
		return "CDS", ""
	case "listener_manager":
		return "LDS", ""
	case "runtime":
		return "RTDS", ""
	case "cluster":
		return "EDS", rest
	case "sds":
		return "SDS", rest
	case "extension_config_discovery":
		// The first word is the kind of filter.
		_, name, _ := strings.Cut(rest, ".")
		return "ECDS", name
	case "http":
		return httpSubscription(rest)
	}
	return "", scope
}

// httpSubscriptions are the words between the prefix of a connection manager and
// the name of a subscription of its own.
var httpSubscriptions = []struct{ word, kind string }{
	{".rds.", "RDS"}, {".scoped_rds.", "SRDS"}, {".vhds.", "VHDS"},
}

// httpSubscription splits "PREFIX.rds.NAME". Both halves may have dots: the first
// of the words counts.
func httpSubscription(scope string) (kind, name string) {
	first := len(scope)
	for _, s := range httpSubscriptions {
		if at := strings.Index(scope, s.word); at >= 0 && at < first {
			first, kind, name = at, s.kind, scope[at+len(s.word):]
		}
	}
	return kind, name
}

// prometheusScopes are the scopes of subscriptions as Prometheus names begin, and
// the label with the name. Istio's own tags spell labels without "envoy_".
var prometheusScopes = []struct{ scope, kind, label string }{
	{"cluster_manager_cds", "CDS", ""},
	{"listener_manager_lds", "LDS", ""},
	{"cluster", "EDS", "cluster_name"},
	{"http_rds", "RDS", "rds_route_config"},
	{"http_scoped_rds", "SRDS", "scoped_rds_config"},
	{"http_vhds", "VHDS", ""},
	{"sds", "SDS", "xds_resource_name"},
	{"extension_config_discovery_http_filter", "ECDS", ""},
	{"extension_config_discovery", "ECDS", ""},
	{"runtime", "RTDS", ""},
}

func prometheusSubscription(scope string, labels map[string]string) (kind, name string) {
	for _, s := range prometheusScopes {
		rest, ok := strings.CutPrefix(scope, s.scope)
		if !ok || rest != "" && rest[0] != '_' {
			continue
		}
		return s.kind, cmp.Or(labels["envoy_"+s.label], labels[s.label], strings.TrimPrefix(rest, "_"))
	}
	return "", scope
}
