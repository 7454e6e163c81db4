package trace

import (
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// objects finds Kubernetes objects and Istio's custom resources by kind,
// namespace and name.
type objects struct {
	sources  map[objectKey]mesh.Source
	services []service
	// registered is made by registry.
	registered map[string]netip.Addr
}

type objectKey struct{ kind, namespace, name string }

// service is a Kubernetes Service: where its name leads.
type service struct {
	namespace, name string
	clusterIPs      []string
	ports           map[uint16]uint16 // port to targetPort, where that is a number
	selector        map[string]any
}

// index returns the objects of the capture, indexed once.
func (e *Engine) index() *objects {
	if e.objects != nil {
		return e.objects
	}
	e.objects = &objects{sources: map[objectKey]mesh.Source{}}
	for _, doc := range e.capture.Objects {
		all, err := doc.Get()
		if err != nil {
			continue
		}
		for _, o := range all {
			key := objectKey{strings.ToLower(o.Kind), o.Namespace, o.Name}
			if _, twice := e.objects.sources[key]; !twice {
				e.objects.sources[key] = mesh.Source{File: doc.Source.File, Line: o.Line}
			}
			if o.Kind == "Service" && o.APIVersion == "v1" {
				e.objects.services = append(e.objects.services, newService(o))
			}
		}
	}
	return e.objects
}

func newService(o mesh.Object) service {
	s := service{namespace: o.Namespace, name: o.Name, ports: map[uint16]uint16{}}
	spec, _ := o.Fields["spec"].(map[string]any)
	s.selector, _ = spec["selector"].(map[string]any)
	for _, field := range []string{"clusterIPs", "clusterIP"} {
		switch ips := spec[field].(type) {
		case string:
			s.clusterIPs = append(s.clusterIPs, ips)
		case []any:
			for _, ip := range ips {
				if text, ok := ip.(string); ok {
					s.clusterIPs = append(s.clusterIPs, text)
				}
			}
		}
	}
	ports, _ := spec["ports"].([]any)
	for _, p := range ports {
		fields, _ := p.(map[string]any)
		port, _ := fields["port"].(float64)
		target, isNumber := fields["targetPort"].(float64)
		if port > 0 && port < 1<<16 && isNumber && target > 0 && target < 1<<16 {
			s.ports[uint16(port)] = uint16(target)
		}
	}
	return s
}

// kinds are Istio's custom resources by their spelling in filter_metadata.istio.config.
var kinds = map[string]string{
	"virtual-service": "VirtualService", "virtualservice": "VirtualService", "virtualservices": "VirtualService",
	"destination-rule": "DestinationRule", "destinationrule": "DestinationRule", "destinationrules": "DestinationRule",
	"gateway": "Gateway", "service-entry": "ServiceEntry", "envoy-filter": "EnvoyFilter",
	"authorization-policy": "AuthorizationPolicy", "peer-authentication": "PeerAuthentication",
	"http-route": "HTTPRoute", "httproutes": "HTTPRoute", "grpc-route": "GRPCRoute",
}

// object is the Istio object that filter_metadata.istio.config names, as in
// "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/catalog"; nil
// where it names none.
func (e *Engine) object(m *corev3.Metadata) *Object {
	config := m.GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()
	if config == "" {
		return nil
	}
	parts := strings.Split(config, "/")
	for i, part := range parts {
		if part != "namespaces" || i+3 >= len(parts) {
			continue
		}
		kind := parts[i+2]
		if known, ok := kinds[kind]; ok {
			kind = known
		}
		return e.located(kind, parts[i+1], parts[i+3])
	}
	return &Object{Name: config}
}

// policy is the AuthorizationPolicy that an RBAC policy was made from.
func (e *Engine) policy(name string) *Object {
	namespace, policy, _, ok := rbac.ParsePolicyName(name)
	if !ok {
		return nil
	}
	return e.located("AuthorizationPolicy", namespace, policy)
}

func (e *Engine) located(kind, namespace, name string) *Object {
	return &Object{Kind: kind, Namespace: namespace, Name: name, Source: e.index().sources[objectKey{strings.ToLower(kind), namespace, name}]}
}
