package replay

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// The route metadata with which the access log tells a request's virtual host:
// Envoy has no operator for it.
const (
	metadataNamespace = "meshray.replay"
	metadataHost      = "virtual_host"
)

// fileSource is the subscription to a file of the folder.
func fileSource(path string) *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{
			// Envoy takes no file name without a folder before it.
			PathConfigSource: &corev3.PathConfigSource{Path: "./" + path},
		},
		ResourceApiVersion: corev3.ApiVersion_V3,
		// Nothing will come that is not there at once.
		InitialFetchTimeout: durationpb.New(1e9),
	}
}

// routeSource is the subscription to a route configuration, whose file is written
// when the first listener asks for it.
func (b *builder) routeSource(name, where string) *corev3.ConfigSource {
	path, ok := b.routes[name]
	if !ok {
		path = b.names.of("routes", name)
		b.routes[name] = path
		b.writeRoute(path, name, where)
	}
	return fileSource(path)
}

func (b *builder) writeRoute(path, name, where string) {
	var resources []proto.Message
	if config := b.routeConfiguration(name); config != nil {
		b.scrub("route "+name, config)
		resources = append(resources, config)
	} else {
		b.changes.add("missing: route configuration "+name, "it is not in the capture; requests get 404", where)
	}
	if err := b.writeResources(path, mesh.Route.TypeURL(), resources); err != nil {
		b.changes.add("left out: route configuration "+name, err.Error(), where)
		b.files = append(b.files, File{Path: path, Data: []byte("{}\n")})
	}
}

// routeConfiguration returns a copy of the active route configuration, or nil.
func (b *builder) routeConfiguration(name string) *routev3.RouteConfiguration {
	resource := b.proxy.Active(mesh.Route, name)
	if resource == nil {
		return nil
	}
	config, err := resource.RouteConfiguration()
	if err != nil {
		b.changes.add("left out: route configuration "+name, err.Error(), resource.Source.String())
		return nil
	}
	return proto.CloneOf(config)
}

func (s *scrubber) routeConfiguration(m *routev3.RouteConfiguration) {
	if m.ValidateClusters == nil {
		// A cluster may have gone after the routes to it came.
		m.ValidateClusters = wrapperspb.Bool(false)
	}
	if m.GetVhds() != nil {
		m.Vhds = nil
		s.leaveOut("VHDS", "only the virtual hosts that were captured are here")
	}
}

// markRoute lets the access log tell the virtual host of a route.
func (s *scrubber) markRoute(m *routev3.Route) {
	if m.Metadata == nil {
		m.Metadata = &corev3.Metadata{}
	}
	if m.Metadata.FilterMetadata == nil {
		m.Metadata.FilterMetadata = map[string]*structpb.Struct{}
	}
	m.Metadata.FilterMetadata[metadataNamespace] = &structpb.Struct{Fields: map[string]*structpb.Value{
		metadataHost: structpb.NewStringValue(s.virtualHost),
	}}
}

// inlineScopes puts the scopes that came by SRDS, and their route configurations,
// into the connection manager: files hold one route configuration each, and all
// scopes share one subscription.
func (s *scrubber) inlineScopes(scoped *hcmv3.ScopedRoutes) {
	list := &hcmv3.ScopedRouteConfigurationsList{}
	for _, resource := range s.b.proxy.ScopedRoutes {
		if resource.State != mesh.Active || resource.Owner != "" && resource.Owner != scoped.GetName() {
			continue
		}
		scope, err := resource.ScopedRouteConfiguration()
		if err != nil {
			s.leaveOut("scope "+resource.Name(), err.Error())
			continue
		}
		scope = proto.CloneOf(scope)
		if scope.GetRouteConfiguration() == nil {
			scope.RouteConfiguration = s.b.routeConfiguration(scope.GetRouteConfigurationName())
		}
		if scope.RouteConfiguration == nil {
			s.leaveOut("scope "+scope.GetName(), fmt.Sprintf("its route configuration %q is not in the capture", scope.GetRouteConfigurationName()))
			continue
		}
		scope.RouteConfigurationName = ""
		list.ScopedRouteConfigurations = append(list.ScopedRouteConfigurations, scope)
	}
	scoped.ConfigSpecifier = &hcmv3.ScopedRoutes_ScopedRouteConfigurationsList{ScopedRouteConfigurationsList: list}
}

// extension is the configuration of a filter that comes by ECDS, or its default,
// or nil.
func (b *builder) extension(name string, discovery *corev3.ExtensionConfigSource) *anypb.Any {
	resource := b.proxy.Active(mesh.Extension, name)
	if resource == nil {
		return proto.CloneOf(discovery.GetDefaultConfig())
	}
	config, err := resource.ExtensionConfig()
	if err != nil {
		return proto.CloneOf(discovery.GetDefaultConfig())
	}
	return proto.CloneOf(config.GetTypedConfig())
}
