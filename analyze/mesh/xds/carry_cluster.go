package xds

import "maps"

const (
	upstreamTLS   = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
	downstreamTLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
)

// carryBootstrap makes the layers that Envoy made of `runtime`.
func carryBootstrap(o, gone object) {
	runtime, ok := gone["runtime"].(object)
	if !ok || o["layered_runtime"] != nil {
		return
	}
	var layers []any
	if base := member(runtime, "base"); base != nil {
		layers = append(layers, object{"name": "base", "static_layer": base})
	}
	root := member(runtime, "symlink_root")
	if root != nil {
		disk := object{"symlink_root": root, "subdirectory": member(runtime, "subdirectory")}
		layers = append(layers, object{"name": "root", "disk_layer": disk})
	}
	if override := member(runtime, "override_subdirectory"); root != nil && override != nil {
		disk := object{"symlink_root": root, "subdirectory": override, "append_service_cluster": true}
		layers = append(layers, object{"name": "override", "disk_layer": disk})
	}
	layers = append(layers, object{"name": "admin", "admin_layer": object{}})
	o["layered_runtime"] = object{"layers": layers}
}

// carryCluster moves `hosts`, `tls_context` and the protocol options that were Structs.
func carryCluster(o, gone object) {
	if hosts, ok := gone["hosts"].([]any); ok && o["load_assignment"] == nil {
		endpoints := make([]any, 0, len(hosts))
		for _, address := range hosts {
			endpoints = append(endpoints, object{"endpoint": object{"address": address}})
		}
		o["load_assignment"] = object{
			"cluster_name": o["name"],
			"endpoints":    []any{object{"lb_endpoints": endpoints}},
		}
	}
	if context, ok := gone["tls_context"].(object); ok {
		setDefault(o, "transport_socket", tlsSocket(upstreamTLS, context))
	}
	upstreamSocket(o, nil)
	carryProtocolOptions(o, gone)
}

// upstreamSocket handles the transport_socket of a cluster or of one of its matches.
func upstreamSocket(o, _ object) {
	configureTLS(o, upstreamTLS)
}

func carryProtocolOptions(o, gone object) {
	structs, _ := gone["extension_protocol_options"].(object)
	if len(structs) == 0 {
		return
	}
	options := object{}
	for name, v := range structs {
		if config, ok := v.(object); ok {
			options[name] = typedStruct(name, config)
		}
	}
	typedOptions, _ := o["typed_extension_protocol_options"].(object)
	maps.Copy(options, typedOptions)
	o["typed_extension_protocol_options"] = options
}

// tlsSocket is the transport socket that stands for v2's tls_context.
func tlsSocket(typeName string, context object) object {
	return object{"name": "envoy.transport_sockets.tls", "typed_config": typed(typeName, context)}
}

// configureTLS types the `config` Struct of a TLS socket, which only its owner can.
func configureTLS(o object, typeName string) {
	socket, _ := o["transport_socket"].(object)
	config, ok := member(socket, "config").(object)
	if !ok || member(socket, "typed_config") != nil {
		return
	}
	if name := member(socket, "name"); name == "tls" || name == "envoy.transport_sockets.tls" {
		o["transport_socket"] = tlsSocket(typeName, config)
	}
}

// carryOverprovisioning writes "disabled" as the factor that means it.
func carryOverprovisioning(o, gone object) {
	if gone["disable_overprovisioning"] == true {
		o["overprovisioning_factor"] = 100
	}
}

func carryLoadBalancingPolicy(o, gone object) {
	name, _ := gone["name"].(string)
	if name == "" {
		return
	}
	extension := object{"name": name, "typed_config": gone["typed_config"]}
	if config, ok := gone["config"].(object); ok {
		extension["typed_config"] = typedStruct(name, config)
	}
	setDefault(o, "typed_extension_config", extension)
}

func carryHTTPHealthCheck(o, gone object) {
	if name, ok := gone["service_name"]; ok {
		setDefault(o, "service_name_matcher", object{"prefix": name})
	}
	if gone["use_http2"] == true {
		setDefault(o, "codec_client_type", "HTTP2")
	}
}

// carryValidationContext moves the names that any subject alternative name may equal.
func carryValidationContext(o, gone object) {
	names, _ := gone["verify_subject_alt_name"].([]any)
	matchers, _ := o["match_subject_alt_names"].([]any)
	for _, name := range names {
		matchers = append(matchers, object{"exact": name})
	}
	if len(matchers) > 0 {
		o["match_subject_alt_names"] = matchers
	}
}
