package expect

import (
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// Explained holds an observation against the outcomes that a prediction leaves
// open: it is explained when it is one of them. Differs names the fields of
// request.Observed in which it is not the nearest of them.
//
// Fields that were not seen fit everything. What an upstream decides fits a
// request that is routed: its status, and the flags of its failures. A mismatch
// is Unknown where an outcome has Unknowns, or where there is no outcome.
func Explained(seen request.Observed, outcomes []Prediction) (match Match, differs []string) {
	if len(outcomes) == 0 {
		return Unknown, nil
	}
	match = No
	for i := range outcomes {
		found := differences(&seen, &outcomes[i])
		if len(found) == 0 || outcomes[i].refused(seen.Flags) {
			return Yes, nil
		}
		if len(outcomes[i].Unknowns) > 0 || outcomes[i].Verdict == trace.Unmodelled {
			match = Unknown
		}
		if differs == nil || len(found) < len(differs) {
			differs = found
		}
	}
	return match, differs
}

func differences(seen *request.Observed, p *Prediction) []string {
	checks := []struct {
		field string
		fits  bool
	}{
		{"status", fitsStatus(seen, p)},
		{"flags", fitsFlags(seen, p)},
		{"details", fitsDetails(seen, p)},
		{"filter_chain", fitsName(seen.FilterChain, p.FilterChain)},
		{"virtual_host", fitsName(seen.VirtualHost, p.VirtualHost)},
		{"route", fitsName(seen.Route, p.Route)},
		{"cluster", fitsCluster(seen.Cluster, p)},
		{"upstream", fitsUpstream(seen, p)},
		{"upstream_path", fitsSent(seen.UpstreamPath, p.UpstreamPath, p)},
		{"upstream_authority", fitsSent(seen.UpstreamAuthority, p.UpstreamAuthority, p)},
		{"location", seen.Location == "" || seen.Location == p.Location || p.forwards()},
		{"error", fitsError(seen, p)},
	}
	var out []string
	for _, check := range checks {
		if !check.fits {
			out = append(out, check.field)
		}
	}
	return out
}

// refused reports whether the flags are those of a filter that cannot be known, and
// that may refuse the request.
func (p *Prediction) refused(flags string) bool {
	for _, flag := range splitFlags(flags) {
		if slices.Contains(p.Refusals, flag) {
			return true
		}
	}
	return false
}

// forwards reports whether the request goes to an upstream.
func (p *Prediction) forwards() bool {
	return p.Status == 0 && (p.Verdict == trace.Routed || p.Verdict == trace.Passthrough || p.Verdict == trace.Unmodelled)
}

// belowHTTP reports whether the connection ends before HTTP begins.
func (p *Prediction) belowHTTP() bool {
	switch p.Verdict {
	case trace.NoListener, trace.NoFilterChain, trace.TLSMismatch:
		return true
	}
	return p.Status == 0 && !p.forwards()
}

func fitsName(seen, predicted string) bool { return seen == "" || seen == predicted }

func fitsStatus(seen *request.Observed, p *Prediction) bool {
	if seen.Status == 0 || p.forwards() {
		return true
	}
	return seen.Status == p.Status
}

// upstreamFlags are the %RESPONSE_FLAGS% that a request can get on its way from a
// route to an upstream and back, by nothing that the configuration decides.
var upstreamFlags = map[string]bool{
	"UF": true, "UC": true, "UT": true, "UR": true, "UO": true, "URX": true, "UPE": true, "UMSDR": true, "DC": true,
	"DR": true, "DPE": true, "DT": true, "LR": true, "SI": true, "DF": true, "OM": true, "DO": true,
	"UDO": true, "IH": true, "RFCF": true, "NFCF": true,
}

func fitsFlags(seen *request.Observed, p *Prediction) bool {
	if seen.Flags == "" {
		return true
	}
	left := splitFlags(p.Flags)
	for _, flag := range splitFlags(seen.Flags) {
		if at := slices.Index(left, flag); at >= 0 {
			left = slices.Delete(left, at, at+1)
			continue
		}
		// Anybody may hang up, whatever the answer.
		if flag != "DC" && !(p.forwards() && upstreamFlags[flag]) && !connectedEarly(seen, p) {
			return false
		}
	}
	return len(left) == 0
}

// connectedEarly reports whether a connection without HTTP was bound for an upstream
// while its handshake failed, or a filter refused it: Envoy connects, or fails to,
// before TLS is through and the first bytes are there.
func connectedEarly(seen *request.Observed, p *Prediction) bool {
	return (p.Verdict == trace.TLSMismatch || p.Verdict == trace.Denied) && seen.Protocol == request.TCP
}

func splitFlags(flags string) []string {
	return strings.FieldsFunc(flags, func(c rune) bool { return c == ',' || c == ' ' })
}

// localDetails begin the %RESPONSE_CODE_DETAILS% of what Envoy decides itself by
// its configuration.
var localDetails = []string{
	"route_not_found", "cluster_not_found", "no_healthy_upstream", "direct_response", "filter_chain_not_found",
	"rbac_access_denied", "jwt_authn_access_denied",
}

func fitsDetails(seen *request.Observed, p *Prediction) bool {
	switch {
	case seen.Details == "":
		return true
	case seen.Details == "via_upstream":
		return p.forwards()
	case p.Details != "" && seen.Details == p.Details:
		return true
	case p.forwards():
		return !slices.ContainsFunc(localDetails, func(local string) bool { return strings.HasPrefix(seen.Details, local) })
	}
	return p.Details == "" || slices.Contains(splitFlags(seen.Flags), "DC")
}

// fitsCluster compares the cluster where the prediction speaks of one. Envoy logs
// it for requests that a filter refuses as well.
func fitsCluster(seen string, p *Prediction) bool {
	if seen == "" || seen == p.Cluster {
		return true
	}
	if len(p.Weights) > 0 {
		return slices.ContainsFunc(p.Weights, func(w Weight) bool { return w.Cluster == seen && w.Weight > 0 })
	}
	return p.Cluster == "" && !p.forwards() && p.Verdict != trace.NoRoute && p.Verdict != trace.NoVirtualHost
}

func fitsUpstream(seen *request.Observed, p *Prediction) bool {
	if seen.Upstream == "" {
		return true
	}
	if !p.forwards() {
		return connectedEarly(seen, p)
	}
	return len(p.Upstreams) == 0 || slices.Contains(p.Upstreams, seen.Upstream)
}

// fitsSent compares what an upstream got: that of a request which never reached
// one fits no answer of Envoy's own. Servers that tell what path they got collapse
// the slashes at its front, as Python's does, so their number is not compared.
func fitsSent(seen, predicted string, p *Prediction) bool {
	if seen == "" || oneSlash(seen) == oneSlash(predicted) {
		return true
	}
	return predicted == "" && p.forwards()
}

func oneSlash(path string) string {
	if !strings.HasPrefix(path, "//") {
		return path
	}
	return "/" + strings.TrimLeft(path, "/")
}

// fitsError compares a connection that failed below HTTP. One that was carried to a
// cluster may fail beyond Envoy.
func fitsError(seen *request.Observed, p *Prediction) bool {
	if seen.Error == "" {
		return !p.belowHTTP() || seen.Status == 0
	}
	if p.belowHTTP() || seen.Status != 0 && seen.Status == p.Status {
		return true
	}
	carried := seen.Protocol == request.TCP && seen.Cluster != ""
	failed := slices.ContainsFunc(splitFlags(seen.Flags), func(flag string) bool { return upstreamFlags[flag] })
	return p.forwards() && (carried || failed)
}
