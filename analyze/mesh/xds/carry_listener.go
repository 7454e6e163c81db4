package xds

// carryListener moves deprecated_v1.bind_to_port, and the direction that v2 gave the tracing of a listener's connection manager.
func carryListener(o, _ object) {
	if v1, ok := o["deprecated_v1"].(object); ok {
		delete(o, "deprecated_v1")
		if bind := member(v1, "bind_to_port"); bind != nil {
			setDefault(o, "bind_to_port", bind)
		}
	}
	switch operationName(o) {
	case "INGRESS":
		setDefault(o, "traffic_direction", "INBOUND")
	case "EGRESS":
		setDefault(o, "traffic_direction", "OUTBOUND")
	}
}

// operationName is the first that a connection manager of the listener, still v2 inside, names.
func operationName(listener object) any {
	for _, chain := range list(listener, "filter_chains") {
		chain, _ := chain.(object)
		for _, filter := range list(chain, "filters") {
			filter, _ := filter.(object)
			config := child(filter, "typed_config")
			if config == nil {
				config = child(filter, "config")
			}
			if name := member(child(config, "tracing"), "operation_name"); name != nil {
				return name
			}
		}
	}
	return nil
}

func carryFilterChain(o, gone object) {
	if context, ok := gone["tls_context"].(object); ok {
		setDefault(o, "transport_socket", tlsSocket(downstreamTLS, context))
	}
	configureTLS(o, downstreamTLS)
}

func carryHTTPConnectionManager(o, gone object) {
	timeout, ok := gone["idle_timeout"]
	if !ok {
		return
	}
	options, _ := o["common_http_protocol_options"].(object)
	if options == nil {
		options = object{}
		o["common_http_protocol_options"] = options
	}
	if member(options, "idle_timeout") == nil {
		options["idle_timeout"] = timeout
	}
}

// carryTracing makes custom tags of request_headers_for_tags; operation_name is the listener's matter.
func carryTracing(o, gone object) {
	headers, _ := gone["request_headers_for_tags"].([]any)
	tags, _ := o["custom_tags"].([]any)
	for _, header := range headers {
		tags = append(tags, object{"tag": header, "request_header": object{"name": header}})
	}
	if len(tags) > 0 {
		o["custom_tags"] = tags
	}
}

// carryTCPProxy takes the cluster of v1's only route.
func carryTCPProxy(o, gone object) {
	v1, _ := gone["deprecated_v1"].(object)
	routes := list(v1, "routes")
	if len(routes) != 1 || o["cluster"] != nil || o["weighted_clusters"] != nil {
		return
	}
	route, _ := routes[0].(object)
	o["cluster"] = member(route, "cluster")
}

// carryGzip moves what v3 keeps in the compressor that Gzip extends.
func carryGzip(o, gone object) {
	compressor := object{}
	for _, name := range []string{"content_length", "content_type", "disable_on_etag_header", "remove_accept_encoding_header"} {
		if v, ok := gone[name]; ok {
			compressor[name] = v
		}
	}
	if len(compressor) > 0 {
		setDefault(o, "compressor", compressor)
	}
}

// carryRedisProxy makes the catch-all route of the cluster that all commands went to.
func carryRedisProxy(o, gone object) {
	cluster, ok := gone["cluster"]
	if !ok {
		return
	}
	routes, _ := o["prefix_routes"].(object)
	if routes == nil {
		routes = object{}
		o["prefix_routes"] = routes
	}
	if member(routes, "catch_all_route") == nil && member(routes, "catch_all_cluster") == nil {
		routes["catch_all_route"] = object{"cluster": cluster}
	}
}

func carryRedisPrefixRoutes(o, gone object) {
	if cluster, ok := gone["catch_all_cluster"]; ok {
		setDefault(o, "catch_all_route", object{"cluster": cluster})
	}
}

// carryWasmConfiguration types the plain string of Istio 1.5's Envoy.
func carryWasmConfiguration(o, _ object) {
	if text, ok := o["configuration"].(string); ok {
		o["configuration"] = object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}
	}
}
