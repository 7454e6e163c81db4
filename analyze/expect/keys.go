package expect

import (
	"maps"
	"slices"
	"strings"
)

// keyFields are the keys of JSON access logs, as [normalKey] writes them, that
// Istio, Envoy Gateway and others give to what an operator writes.
var keyFields = map[string]field{
	"authority": authority, "request_authority": authority, "host": authority, "authority_for": authority,
	"connection_termination_details": terminationDetails,
	"downstream_local_address":       localAddress,
	"downstream_peer_uri_san":        peerURISAN,
	"downstream_remote_address":      remoteAddress, "downstream_address": remoteAddress,
	"downstream_tls_version": tlsVersion,
	"filter_chain_name":      filterChain,
	"grpc_status":            grpcStatus,
	"location":               location,
	"method":                 method, "request_method": method, "req_method": method, "http_method": method,
	"path": path, "request_path": path, "req_path": path, "uri": path, "uri_path": path,
	"x_envoy_origin_path": path, "x_envoy_original_path": path,
	"protocol": protocol, "request_protocol": protocol, "http_version": protocol,
	"requested_server_name": serverName, "sni": serverName,
	"response_code": status, "status": status, "status_code": status, "response_status": status,
	"response_code_details": details,
	"response_flags":        flags, "flags": flags,
	"route_name": routeName, "route": routeName,
	"scheme":     scheme,
	"start_time": startTime, "timestamp": startTime, "time": startTime, "@timestamp": startTime,
	"upstream_cluster": cluster, "upstream_cluster_raw": cluster,
	"upstream_host": upstreamHost, "upstream_address": upstreamHost,
}

// keyHeaders are the keys that hold a request header.
var keyHeaders = map[string]string{
	"user_agent": "user-agent", "request_id": "x-request-id", "x_request_id": "x-request-id", "content_type": "content-type",
}

// tellingFields are those of which a line needs two to be one of an access log:
// other logs have a method and a path too.
var tellingFields = []field{status, flags, cluster, upstreamHost, localAddress, remoteAddress, routeName, serverName}

// readKeys puts the values of a JSON line into r by the names of their keys.
func readKeys(object map[string]any, r *record) bool {
	if object["level"] != nil || object["severity"] != nil && object["msg"] != nil {
		return false // a record of the proxy's own log
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		readKey(normalKey(key), object[key], r)
	}
	telling := 0
	for _, f := range tellingFields {
		if r.named[f] {
			telling++
		}
	}
	return telling >= 2 && (r.named[status] || r.named[flags])
}

func readKey(key string, value any, r *record) {
	text, ok := scalar(value)
	if !ok && value != nil {
		return
	}
	if text == "-" {
		text = ""
	}
	if name := keyHeaders[key]; name != "" {
		r.setHeader(name, text)
		return
	}
	f := keyFields[key]
	if f == noField {
		return
	}
	if strings.HasPrefix(key, "x_envoy_orig") && text != "" {
		r.values[f] = "" // beats the path that Envoy has rewritten
	}
	r.setField(f, text)
}

// normalKey writes a key in lower case with underscores: ":authority",
// "upstreamCluster" and "x-envoy-origin-path" become "authority",
// "upstream_cluster" and "x_envoy_origin_path".
func normalKey(key string) string {
	var b strings.Builder
	key = strings.TrimLeft(key, ":")
	for i, c := range key {
		switch {
		case c == '-' || c == '.' || c == ' ':
			b.WriteByte('_')
		case c >= 'A' && c <= 'Z':
			if i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z' {
				b.WriteByte('_')
			}
			b.WriteRune(c - 'A' + 'a')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
