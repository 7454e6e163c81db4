package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	ondemandv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/on_demand/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// use is what a reference does with its cluster.
type use string

const (
	useRoute  use = "route"
	useMirror use = "mirror"
	useTCP    use = "tcp_proxy"
	// useCall is a call that a filter makes on the side and waits for:
	// ext_authz, rate limits, keys.
	useCall use = "call"
	// useTelemetry is a call that no request waits for: access logs, traces.
	useTelemetry use = "telemetry"
)

// reference is one place of a listener or route configuration that names a
// cluster.
type reference struct {
	cluster string
	use     use
	// path is where it stands: a virtual host, or a filter chain and filter.
	path string
	// virtualHost is set for references of a route configuration.
	virtualHost string
	// route is the route of the virtual host, and index its place there; nil for what
	// all requests of the virtual host do.
	route *routev3.Route
	index int
	// share is the percentage of the route's requests, 100 without weights.
	share float64
	// object is the Istio object that the route was made of.
	object string
	// implicit is set for the route that istiod makes for a service that no
	// VirtualService mentions.
	implicit bool
}

// references is what a resource refers to.
type references struct {
	clusters []reference
	// routes are the route configurations that its connection managers ask for.
	routes []string
	// onDemand is set where clusters are fetched when a request first needs them.
	onDemand  bool
	off       []*offFilter
	overrides []override
}

// placed is a reference with the resource that it stands in.
type placed struct {
	*reference
	in *mesh.Resource
}

// location is the place for a finding's related locations.
func (r placed) location(p *mesh.Proxy, message string) analyze.Location {
	ref := p.Ref(r.in.Kind, r.in.Name())
	ref.Path = r.path
	return analyze.Location{Ref: ref, Source: r.in.Source, Message: message}
}

// clusterReferences returns what the active listeners of a proxy refer to,
// directly and through the route configurations that they ask for, in a fixed
// order. onDemand is set where absent clusters may be fetched when needed. The
// result is shared and must not be changed.
func clusterReferences(pass *analyze.Pass, p *mesh.Proxy) (refs []placed, onDemand bool) {
	found := analyze.OnceForProxy(pass, p, func() proxyReferences {
		refs, onDemand := findReferences(pass, p)
		return proxyReferences{refs, onDemand}
	})
	return found.refs, found.onDemand
}

// proxyReferences is what clusterReferences returns of a proxy.
type proxyReferences struct {
	refs     []placed
	onDemand bool
}

func findReferences(pass *analyze.Pass, p *mesh.Proxy) (refs []placed, onDemand bool) {
	add := func(r *mesh.Resource, found *references) {
		for i := range found.clusters {
			refs = append(refs, placed{&found.clusters[i], r})
		}
		onDemand = onDemand || found.onDemand
	}
	for _, r := range activeListeners(p) {
		add(r, referencesOf(pass, r))
	}
	enabled := map[*offFilter]bool{}
	for _, t := range routeTables(pass, p) {
		if t.inline == "" {
			add(t.in, referencesOf(pass, t.in))
		}
		t.filterReferences(pass, enabled, add)
	}
	return refs, onDemand
}

// referencesOf is shared by all that have the listener or route configuration, and
// must not be changed.
func referencesOf(pass *analyze.Pass, r *mesh.Resource) *references {
	return analyze.Once(pass, r.Content, func() *references {
		if r.Kind == mesh.Listener {
			return listenerReferences(pass, r)
		}
		return routeReferences(r)
	})
}

func listenerReferences(pass *analyze.Pass, r *mesh.Resource) *references {
	listener, err := r.Listener()
	if err != nil {
		return &references{}
	}
	w := &walker{}
	for _, chain := range filterChains(pass, r) {
		w.chain(chain)
	}
	for _, log := range listener.GetAccessLog() {
		w.walk(log.ProtoReflect(), "access log", useTelemetry, 0)
	}
	w.found.sort()
	return &w.found
}

// sort is there because reflection visits fields in no particular order.
func (r *references) sort() {
	slices.SortStableFunc(r.clusters, func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.cluster, b.cluster), cmp.Compare(a.use, b.use))
	})
	r.clusters = slices.Compact(r.clusters)
}

func routeReferences(r *mesh.Resource) *references {
	config, err := r.RouteConfiguration()
	if err != nil {
		return &references{}
	}
	w := &walker{}
	w.routeConfiguration(config, "")
	return &w.found
}

// walker finds the references within a listener. Filters are many; all of them
// name the clusters that they call in the same few messages.
type walker struct {
	found references
	// at is the chain that is being walked, and table the route configuration.
	at    filterChain
	table *routev3.RouteConfiguration
}

// maxDepth bounds the nesting of messages; Envoy's own configurations stay
// below twenty.
const maxDepth = 64

func (w *walker) chain(chain filterChain) {
	w.at = chain
	name := chain.nameOrKind()
	for _, filter := range chain.filters {
		w.filter(filter, name+"/"+filter.Name, useCall, 0)
	}
}

func (w *walker) filter(f mesh.Filter, path string, as use, depth int) {
	if f.Config != nil {
		w.walk(f.Config.ProtoReflect(), path, as, depth)
	}
}

// walk visits a message and those within it, packed ones too.
func (w *walker) walk(m protoreflect.Message, path string, as use, depth int) {
	if depth > maxDepth || !m.IsValid() {
		return
	}
	unpacked := protoreflect.Name("") // the field that has been unpacked before
	switch v := m.Interface().(type) {
	case *anypb.Any:
		w.filter(mesh.Unpack("", v), path, as, depth+1)
		return
	case *routev3.RouteConfiguration:
		w.routeConfiguration(v, path)
		return
	case *tcpproxyv3.TcpProxy:
		w.tcpProxy(v, path)
	case *hcmv3.HttpConnectionManager:
		if name := v.GetRds().GetRouteConfigName(); name != "" {
			w.found.routes = append(w.found.routes, name)
		}
		if v == w.at.manager {
			unpacked = "http_filters"
			w.httpFilters(path, as, depth)
		}
	case *hcmv3.HttpFilter:
		if v.GetDisabled() {
			return
		}
		path += "/" + v.GetName()
	case *accesslogv3.AccessLog, *hcmv3.HttpConnectionManager_Tracing:
		as = useTelemetry
	case *ondemandv3.OnDemand:
		w.found.onDemand = w.found.onDemand || v.GetOdcds() != nil
	case *ondemandv3.PerRouteConfig:
		w.found.onDemand = w.found.onDemand || v.GetOdcds() != nil
	default:
		w.add(reference{cluster: calledCluster(v), use: as, path: path, share: 100})
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Name() != unpacked {
			within(field, value, func(m protoreflect.Message) { w.walk(m, path, as, depth+1) })
		}
		return true
	})
}

// calledCluster is the cluster that a message of Envoy's core API calls.
func calledCluster(m proto.Message) string {
	switch v := m.(type) {
	case *corev3.GrpcService_EnvoyGrpc:
		return v.GetClusterName()
	case *corev3.HttpUri:
		return v.GetCluster()
	case *tracev3.ZipkinConfig:
		return v.GetCollectorCluster()
	case *tracev3.DatadogConfig:
		return v.GetCollectorCluster()
	}
	return ""
}

func (w *walker) add(r reference) {
	if r.cluster != "" {
		w.found.clusters = append(w.found.clusters, r)
	}
}

func (w *walker) tcpProxy(tcp *tcpproxyv3.TcpProxy, path string) {
	w.found.onDemand = w.found.onDemand || tcp.GetOnDemand() != nil
	w.add(reference{cluster: tcp.GetCluster(), use: useTCP, path: path, share: 100})
	total := uint32(0)
	for _, c := range tcp.GetWeightedClusters().GetClusters() {
		total += c.GetWeight()
	}
	for _, c := range tcp.GetWeightedClusters().GetClusters() {
		w.add(reference{cluster: c.GetName(), use: useTCP, path: path, share: percent(c.GetWeight(), total)})
	}
}

func percent(weight, total uint32) float64 {
	if total == 0 {
		return 0
	}
	return 100 * float64(weight) / float64(total)
}

// istioObject is the object that a route or cluster was made of, read from
// istiod's note "/apis/networking.istio.io/v1/namespaces/ns/virtual-service/name".
func istioObject(metadata *corev3.Metadata) string {
	note := metadata.GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()
	_, rest, found := strings.Cut(note, "/namespaces/")
	steps := strings.Split(rest, "/")
	if !found || len(steps) != 3 {
		return ""
	}
	var kind strings.Builder
	for _, word := range strings.Split(steps[1], "-") {
		if word != "" {
			kind.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return fmt.Sprintf("%s %s/%s", kind.String(), steps[0], steps[2])
}
