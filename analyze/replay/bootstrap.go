package replay

import (
	"fmt"
	"net/netip"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
)

// BootstrapPath is the file that Envoy is started with, within a folder.
const BootstrapPath = "envoy.json"

const (
	clustersPath  = "cds.json"
	listenersPath = "lds.json"
)

// writeBootstrap adds envoy.json: everything else comes from files.
func (b *builder) writeBootstrap(admin netip.AddrPort) error {
	captured, err := b.capturedBootstrap()
	if err != nil {
		b.changes.add("left out: the captured bootstrap", err.Error(), "bootstrap")
		captured = &bootstrapv3.Bootstrap{}
	}
	node := captured.GetNode()
	m := &bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: node.GetId(), Cluster: node.GetCluster(), Locality: proto.CloneOf(node.GetLocality())},
		Admin: &bootstrapv3.Admin{Address: socketAddress(admin)},
		DynamicResources: &bootstrapv3.Bootstrap_DynamicResources{
			LdsConfig: fileSource(listenersPath), CdsConfig: fileSource(clustersPath),
		},
		LayeredRuntime: b.runtime(captured),
		HeaderPrefix:   captured.GetHeaderPrefix(),
		InlineHeaders:  captured.GetInlineHeaders(),
		BootstrapExtensions: []*corev3.TypedExtensionConfig{{
			Name: "envoy.bootstrap.internal_listener", TypedConfig: mustPack(&internalv3.InternalListener{}),
		}},
	}
	if m.Node.GetId() == "" {
		m.Node.Id = "meshray-replay"
	}
	if m.Node.GetCluster() == "" {
		m.Node.Cluster = "meshray-replay"
	}
	return b.writeMessage(BootstrapPath, m)
}

func (b *builder) capturedBootstrap() (*bootstrapv3.Bootstrap, error) {
	if b.proxy.Bootstrap == nil {
		return nil, fmt.Errorf("it is not in the capture")
	}
	return b.proxy.Bootstrap.Bootstrap()
}

// runtime has the captured values above one that lets Envoy take the deprecated
// fields of older configurations.
func (b *builder) runtime(captured *bootstrapv3.Bootstrap) *bootstrapv3.LayeredRuntime {
	static := func(name string, values *structpb.Struct) *bootstrapv3.RuntimeLayer {
		return &bootstrapv3.RuntimeLayer{Name: name, LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: values}}
	}
	runtime := &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{
		static("meshray replay", &structpb.Struct{Fields: map[string]*structpb.Value{
			"envoy.features.enable_all_deprecated_features": structpb.NewBoolValue(true),
		}}),
	}}
	for i, layer := range captured.GetLayeredRuntime().GetLayers() {
		if values := layer.GetStaticLayer(); values != nil {
			runtime.Layers = append(runtime.Layers, static(fmt.Sprintf("captured %d", i), values))
		}
	}
	if values, err := b.proxy.Runtime.Get(); err == nil {
		final := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for name, value := range values {
			final.Fields[name] = structpb.NewStringValue(value)
		}
		runtime.Layers = append(runtime.Layers, static("captured /runtime", final))
	}
	return runtime
}

func socketAddress(a netip.AddrPort) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       a.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}}}
}
