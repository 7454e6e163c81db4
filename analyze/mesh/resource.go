package mesh

import (
	"fmt"
	"sync"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

// ResourceKind is one of the xDS resource types that a config_dump shows.
type ResourceKind string

// The resource kinds, named as the proxy-config commands name them.
const (
	Bootstrap   ResourceKind = "bootstrap"
	Cluster     ResourceKind = "cluster"
	Listener    ResourceKind = "listener"
	Route       ResourceKind = "route"        // envoy.config.route.v3.RouteConfiguration
	ScopedRoute ResourceKind = "scoped-route" // envoy.config.route.v3.ScopedRouteConfiguration
	Endpoint    ResourceKind = "endpoint"     // envoy.config.endpoint.v3.ClusterLoadAssignment
	Secret      ResourceKind = "secret"
	Extension   ResourceKind = "ecds" // envoy.config.core.v3.TypedExtensionConfig
)

// TypeURL is the v3 type URL of resources of this kind.
func (k ResourceKind) TypeURL() string {
	switch k {
	case Bootstrap:
		return "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
	case Cluster:
		return "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	case Listener:
		return "type.googleapis.com/envoy.config.listener.v3.Listener"
	case Route:
		return "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	case ScopedRoute:
		return "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
	case Endpoint:
		return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	case Secret:
		return "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	case Extension:
		return "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
	}
	return ""
}

// State is where a resource stands in Envoy's life cycle.
type State string

const (
	// Active serves traffic.
	Active State = "active"
	// Warming was accepted and waits for something: endpoints, routes, a secret.
	Warming State = "warming"
	// Draining was removed or replaced, and finishes the connections it has.
	Draining State = "draining"
	// Rejected was refused by Envoy; see Resource.Error.
	Rejected State = "rejected"
)

// Origin tells resources of the bootstrap from those that xDS delivered.
type Origin string

const (
	Static  Origin = "static"
	Dynamic Origin = "dynamic"
)

// Resource is one xDS resource of a proxy, in one state. A listener that is
// active and has a newer version warming is two resources.
type Resource struct {
	Kind   ResourceKind
	Origin Origin
	State  State
	// Version is version_info as captured; istiod's delta xDS leaves it empty.
	Version string
	// Updated is last_updated; zero where the dump has none.
	Updated time.Time
	// Error is set for State Rejected.
	Error *ErrorState
	// WaitsFor is what a warming resource is known to wait for, such as
	// "secret shop-cert" or "endpoints of catalog"; empty where it cannot be told.
	WaitsFor []string
	// Source is where the resource stands in the capture.
	Source Source
	// Owner is the name that the entry around the resource gives it: the name of
	// a dynamic listener or of a dynamic secret. Usually the resource's own name.
	Owner string
	// Content is the resource itself; nil for a listener that was rejected without
	// its configuration being shown.
	Content *Content
}

// Witness is what of a proxy tells of a refused update.
type Witness string

const (
	// InErrorState is an envoy.admin.v3.UpdateFailureState in the dump.
	InErrorState Witness = "error_state"
	// InLog is a line of Envoy's log that names the resource.
	InLog Witness = "log"
	// InCounter is an update_rejected counter, and no better explanation of the resource's
	// state: most likely, not proven.
	InCounter Witness = "update_rejected"
)

// ErrorState is envoy.admin.v3.UpdateFailureState: why an update was refused. Envoy has
// none of clusters; theirs is made from what else tells of it.
type ErrorState struct {
	Witness Witness
	Details string
	Version string
	// At is last_update_attempt.
	At time.Time
}

// Name is the resource's own name, or Owner where its content has none. An EDS
// resource is named by its cluster_name.
func (r *Resource) Name() string {
	if r.Content != nil && r.Content.Name != "" {
		return r.Content.Name
	}
	return r.Owner
}

// Raw is the resource's JSON as captured; nil if there is none.
func (r *Resource) Raw() []byte {
	if r.Content == nil {
		return nil
	}
	return r.Content.Raw
}

// TypeURL is the type as captured ("type.googleapis.com/envoy.api.v2.Cluster"),
// or the v3 type of its kind where the capture names none.
func (r *Resource) TypeURL() string {
	if r.Content == nil {
		return r.Kind.TypeURL()
	}
	return r.Content.TypeURL
}

// Peek returns the text of one string or enum field without decoding the
// resource; path holds snake_case field names. "" where there is none.
func (r *Resource) Peek(path ...string) string {
	text, _ := rawjson.Unquote(r.PeekRaw(path...))
	return text
}

// PeekRaw is [Resource.Peek] for a value of any kind, as JSON; nil where there
// is none.
func (r *Resource) PeekRaw(path ...string) []byte {
	if r.Content == nil || r.Content.Fields == nil || len(path) == 0 {
		return rawjson.Get(r.Raw(), path...)
	}
	return rawjson.Get(r.Content.field(path[0]), path[1:]...)
}

// Message returns the resource as its v3 message, whatever API version it was
// captured in.
func (r *Resource) Message() (proto.Message, error) {
	if r.Content == nil {
		return nil, fmt.Errorf("%s %q: its configuration is %w", r.Kind, r.Name(), ErrNotCaptured)
	}
	m, err := r.Content.message()
	if err != nil {
		return nil, fmt.Errorf("%s: decoding %s %q: %w", r.Source, r.Kind, r.Name(), err)
	}
	return m, nil
}

// Same reports whether both resources share one content.
func (r *Resource) Same(other *Resource) bool { return r.Content == other.Content }

// Cluster returns the resource as a cluster. Like the other typed accessors it
// fails for a resource of another kind.
func (r *Resource) Cluster() (*clusterv3.Cluster, error) { return typed[*clusterv3.Cluster](r) }

// Listener returns the resource as a listener.
func (r *Resource) Listener() (*listenerv3.Listener, error) { return typed[*listenerv3.Listener](r) }

// RouteConfiguration returns the resource as a route configuration.
func (r *Resource) RouteConfiguration() (*routev3.RouteConfiguration, error) {
	return typed[*routev3.RouteConfiguration](r)
}

// ScopedRouteConfiguration returns the resource as one scope of an SRDS set.
func (r *Resource) ScopedRouteConfiguration() (*routev3.ScopedRouteConfiguration, error) {
	return typed[*routev3.ScopedRouteConfiguration](r)
}

// LoadAssignment returns the resource as the endpoints of a cluster.
func (r *Resource) LoadAssignment() (*endpointv3.ClusterLoadAssignment, error) {
	return typed[*endpointv3.ClusterLoadAssignment](r)
}

// Secret returns the resource as a TLS secret.
func (r *Resource) Secret() (*tlsv3.Secret, error) { return typed[*tlsv3.Secret](r) }

// Bootstrap returns the resource as a bootstrap.
func (r *Resource) Bootstrap() (*bootstrapv3.Bootstrap, error) {
	return typed[*bootstrapv3.Bootstrap](r)
}

// ExtensionConfig returns the resource as an ECDS configuration.
func (r *Resource) ExtensionConfig() (*corev3.TypedExtensionConfig, error) {
	return typed[*corev3.TypedExtensionConfig](r)
}

func typed[M proto.Message](r *Resource) (M, error) {
	m, err := r.Message()
	if err != nil {
		var zero M
		return zero, err
	}
	if t, ok := m.(M); ok {
		return t, nil
	}
	var zero M
	return zero, fmt.Errorf("%s: %s %q is a %s", r.Source, r.Kind, r.Name(), m.ProtoReflect().Descriptor().FullName())
}

// Content is the JSON of one resource, held once however many proxies have it.
type Content struct {
	Raw []byte
	// Name is the resource's own name.
	Name string
	// TypeURL is the "@type" in Raw, else what its place in the dump implies.
	TypeURL string
	// Fields are the members of Raw where the loader has noted them: finding one
	// again would cost a pass over Raw.
	Fields []Field
	// Decoder is shared by the contents of a capture; nil is one of its own.
	Decoder *xds.Decoder

	once sync.Once
	msg  proto.Message
	err  error
}

// Field is where a member of a resource stands in Content.Raw.
type Field struct {
	// Key and KeyEnd bound the key without its quotes, Value and End the value.
	Key, KeyEnd, Value, End int32
}

// field returns the value of a member of Raw; of duplicates the last.
func (c *Content) field(name string) []byte {
	for i := len(c.Fields) - 1; i >= 0; i-- {
		if f := c.Fields[i]; rawjson.Is(c.Raw[f.Key:f.KeyEnd], name) {
			return c.Raw[f.Value:f.End]
		}
	}
	return nil
}

func (c *Content) message() (proto.Message, error) {
	c.once.Do(func() {
		c.msg, c.err = c.Decoder.Decode(c.TypeURL, c.Raw)
		if c.err == nil {
			return
		}
		if clean := rawjson.StripTrailingCommas(c.Raw); len(clean) < len(c.Raw) {
			c.msg, c.err = c.Decoder.Decode(c.TypeURL, clean)
		}
	})
	return c.msg, c.err
}
