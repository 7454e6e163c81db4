package xds

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	file "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcp "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// tally counts what a v2 resource says, or what its message says.
type tally struct {
	connectionManagers, tcpProxies, httpFilters      int
	hosts, upstreamTLS, downstreamTLS, accessLoggers int
}

// TestSharedV2Captures holds the messages of v2 captures to what their JSON says, counted without protobuf.
func TestSharedV2Captures(t *testing.T) {
	folders := []string{
		"istio-0.8", "istio-1.0-pair", "istio-1.1", "istio-1.1-camel", "istio-1.3", "istio-1.4",
		"istio-1.5-bookinfo", "istio-1.5-pair", "istioctl-pc-json", "plain-envoy-1.14",
	}
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			var got, want tally
			for _, r := range sharedResources(t, filepath.Join("corpus", folder)) {
				m, err := Decode(r.typeURL, r.raw)
				if err != nil {
					t.Fatalf("%s: Decode: %v", r.path, err)
				}
				got.message(m.ProtoReflect())
				var v any
				if err := json.Unmarshal(r.raw, &v); err != nil {
					t.Fatalf("%s: %v", r.path, err)
				}
				want.json(v)
			}
			if got != want {
				t.Errorf("messages: got %+v\nJSON:     want %+v", got, want)
			}
			if want.connectionManagers == 0 {
				t.Errorf("got a capture without a connection manager (%+v), want one that tests something", want)
			}
		})
	}
}

func (n *tally) message(m protoreflect.Message) {
	walk(m, func(m proto.Message) {
		switch m := m.(type) {
		case *hcm.HttpConnectionManager:
			n.connectionManagers++
		case *hcm.HttpFilter:
			n.httpFilters++
		case *tcp.TcpProxy:
			n.tcpProxies++
			if m.GetClusterSpecifier() == nil {
				n.tcpProxies = -1 << 20 // a destination that went lost
			}
		case *file.FileAccessLog:
			n.accessLoggers++
		case *tls.UpstreamTlsContext:
			n.upstreamTLS++
		case *tls.DownstreamTlsContext:
			n.downstreamTLS++
		case *endpoint.LbEndpoint:
			n.hosts++
		}
	})
}

func (n *tally) json(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			n.json(element)
		}
	case map[string]any:
		n.object(v)
		for _, value := range v {
			n.json(value)
		}
	}
}

func (n *tally) object(o map[string]any) {
	if o["category"] != nil {
		return // the node lists what its Envoy has built in
	}
	switch o["name"] {
	case "envoy.http_connection_manager", "envoy.filters.network.http_connection_manager":
		n.connectionManagers++
	case "envoy.tcp_proxy", "envoy.filters.network.tcp_proxy":
		n.tcpProxies++
	case "envoy.file_access_log":
		n.accessLoggers++
	}
	for key, value := range o {
		switch snake(strings.TrimPrefix(key, "hidden_envoy_deprecated_")) {
		case "http_filters":
			n.httpFilters++
			if filters, ok := value.([]any); ok {
				n.httpFilters += len(filters) - 1
			}
		case "hosts", "lb_endpoints":
			n.hosts += len(value.([]any))
		case "tls_context":
			if _, ok := o["filters"]; ok {
				n.downstreamTLS++
			} else {
				n.upstreamTLS++
			}
		case "@type":
			n.tlsType(value)
		}
	}
}

func (n *tally) tlsType(url any) {
	switch url {
	case "type.googleapis.com/envoy.api.v2.auth.UpstreamTlsContext", "type.googleapis.com/" + upstreamTLS:
		n.upstreamTLS++
	case "type.googleapis.com/envoy.api.v2.auth.DownstreamTlsContext", "type.googleapis.com/" + downstreamTLS:
		n.downstreamTLS++
	}
}
