package rbac

import (
	"net/netip"
	"strings"

	"github.com/google/cel-go/cel"

	"github.com/meshray/meshray/analyze/trace/match"
)

// celValues are Envoy's attributes of a request and its connection, as far as they
// are known. What a request does not have is missing: CEL then fails, as in Envoy.
func celValues(a *match.Attributes) map[string]any {
	metadata := map[string]any{}
	for filter, fields := range a.Metadata {
		metadata[filter] = fields.AsMap()
	}
	objects := map[string]any{}
	for key, value := range a.FilterState {
		objects[key] = value
	}
	return map[string]any{
		"request":      celRequest(a),
		"connection":   celConnection(a),
		"source":       celAddress(a.Source),
		"destination":  celAddress(a.Destination),
		"metadata":     map[string]any{"filter_metadata": metadata},
		"filter_state": objects,
	}
}

func celRequest(a *match.Attributes) map[string]any {
	headers := map[string]any{}
	for _, h := range a.Headers {
		name := strings.ToLower(h.Name)
		if earlier, found := headers[name].(string); found {
			headers[name] = earlier + "," + h.Value
			continue
		}
		headers[name] = h.Value
	}
	path, _ := a.Header(":path")
	urlPath, query, _ := strings.Cut(path, "?")
	query, _, _ = strings.Cut(query, "#")
	out := map[string]any{"headers": headers, "url_path": urlPath, "query": query}
	for name, header := range map[string]string{
		"path": ":path", "host": ":authority", "scheme": ":scheme", "method": ":method",
		"referer": "referer", "useragent": "user-agent", "id": "x-request-id",
	} {
		if value, found := headers[header]; found {
			out[name] = value
		}
	}
	return out
}

func celConnection(a *match.Attributes) map[string]any {
	out := map[string]any{"mtls": a.TLS && a.PeerPresented, "requested_server_name": a.SNI}
	if len(a.PeerURISANs) > 0 {
		out["uri_san_peer_certificate"] = a.PeerURISANs[0]
	}
	return out
}

func celAddress(addr netip.AddrPort) map[string]any {
	return map[string]any{"address": addr.String(), "port": int64(addr.Port())}
}

// unknowns are the attributes that Envoy has and a capture does not.
func (e *expression) unknowns(a *match.Attributes) []*cel.AttributePatternType {
	patterns := []*cel.AttributePatternType{
		cel.AttributePattern("response"), cel.AttributePattern("upstream"), cel.AttributePattern("xds"),
		cel.AttributePattern("upstream_filter_state"),
		cel.AttributePattern("metadata").QualString("typed_filter_metadata"),
	}
	unknown := func(variable string, fields ...string) {
		for _, field := range fields {
			patterns = append(patterns, cel.AttributePattern(variable).QualString(field))
		}
	}
	unknown("request", "time", "size", "total_size", "duration", "headers_bytes", "protocol")
	if _, found := a.Header("x-request-id"); !found {
		unknown("request", "id")
	}
	unknown("connection", "id")
	if a.TLS {
		unknown("connection", "tls_version", "subject_local_certificate", "uri_san_local_certificate",
			"dns_san_local_certificate", "subject_peer_certificate", "dns_san_peer_certificate",
			"sha256_peer_certificate_digest", "peer_certificate")
	}
	if a.TLS && a.PeerPresented && len(a.PeerURISANs) == 0 {
		unknown("connection", "uri_san_peer_certificate")
	}
	unknownAddress := func(variable string, addr netip.AddrPort) {
		if !addr.IsValid() || addr.Port() == 0 {
			unknown(variable, "address", "port")
		}
	}
	unknownAddress("source", a.Source)
	unknownAddress("destination", a.Destination)
	for _, key := range e.keys {
		if _, known := a.Metadata[key]; !known {
			patterns = append(patterns, cel.AttributePattern("metadata").QualString("filter_metadata").QualString(key))
		}
		if _, known := a.FilterState[key]; !known {
			patterns = append(patterns, cel.AttributePattern("filter_state").QualString(key))
		}
	}
	return patterns
}
