// Package replay turns a captured proxy into a folder of files with which any
// Envoy runs the captured configuration on one machine: without a cluster,
// without iptables and without root, every upstream being a stub on loopback.
//
// It is pure: a capture goes in, files and a description of them come out.
// Package live runs them.
package replay

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// Options say where a replayed configuration lives, and how much of it.
type Options struct {
	// Host is the loopback address of the listeners, the backends and the admin
	// interface; the zero Addr means 127.0.0.1.
	Host netip.Addr
	// AdminPort is the port of Envoy's admin interface; 0 means 15000. Another one
	// is chosen where a listener needs it.
	AdminPort uint16
	// Lua keeps inline Lua code. Envoy runs it unconfined, so who sets this trusts
	// the capture.
	Lua bool
}

// Folder is a replayed configuration.
type Folder struct {
	// Files are sorted by Path. Envoy has to be started in their folder.
	Files []File
	// Backends are the stubs that have to answer, in the order of their ports.
	Backends []Backend
	// Listeners are the sockets that Envoy binds, in the order of the capture.
	Listeners []Listener
	// Changes are what differs from the capture, sorted.
	Changes []Change
	// Admin is the address of Envoy's admin interface.
	Admin netip.AddrPort
	// Addresses are the proxy's own IPs: a connection to one of them is inbound.
	Addresses []netip.Addr
}

// File is one file of a folder.
type File struct {
	Path string // relative, with slashes
	Data []byte
	// Private is set for a file with a private key.
	Private bool
}

// Backend is a stub that stands for an endpoint.
type Backend struct {
	Address netip.AddrPort // where it listens
	// Endpoint is the captured address that it stands for, "10.0.0.9:8080",
	// "db.example.com:5432" or "unix:/path". Empty for a stub that stands for all
	// hosts of a cluster whose endpoints are found at run time, or were not captured.
	Endpoint string
	// Clusters are the clusters that have the endpoint, in the order of the capture.
	Clusters []string
}

// Name is what a backend calls itself: the endpoint, or else the cluster that it
// stands for.
func (b *Backend) Name() string {
	if b.Endpoint != "" || len(b.Clusters) == 0 {
		return b.Endpoint
	}
	return b.Clusters[0]
}

// Listener is one address that the replayed Envoy binds.
type Listener struct {
	Name string
	// Captured is the address in the capture, such as "0.0.0.0:8443".
	Captured string
	Address  netip.AddrPort // where it is bound here
	// ProxyProtocol is set where a connection has to begin with a PROXY protocol
	// header, which names the original destination.
	ProxyProtocol bool
	// Direction is the listener's traffic_direction: "INBOUND", "OUTBOUND" or
	// "UNSPECIFIED".
	Direction string
	// TLS is set where at least one filter chain takes TLS.
	TLS bool
}

// Change is something that the folder has not as the capture had it.
type Change struct {
	What string // "left out: HTTP filter istio.stats"
	Why  string
	// Where is the first place of it, such as "listener virtualInbound".
	Where string
	Count int // the number of places
}

// ErrNothingToRun is the error of a proxy that has no configuration for an Envoy.
var ErrNothingToRun = errors.New("expected a config_dump with listeners or clusters")

// Build makes the folder for one proxy. The same proxy and options give the same
// bytes. What cannot be replayed is left out and told in Folder.Changes.
func Build(p *mesh.Proxy, opts Options) (*Folder, error) {
	if p.Kind == mesh.Ztunnel {
		return nil, fmt.Errorf("replaying %s: it is a ztunnel, and an Envoy is needed: %w", p.Key(), ErrNothingToRun)
	}
	if len(p.Listeners)+len(p.Clusters) == 0 {
		return nil, fmt.Errorf("replaying %s: %w", p.Key(), ErrNothingToRun)
	}
	if !opts.Host.IsValid() {
		opts.Host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if !opts.Host.IsLoopback() {
		return nil, fmt.Errorf("replaying %s: address %s: expected a loopback address, such as 127.0.0.1", p.Key(), opts.Host)
	}
	b, err := newBuilder(p, opts)
	if err != nil {
		return nil, err
	}
	return b.build()
}

// builder is one run of Build.
type builder struct {
	proxy     *mesh.Proxy
	opts      Options
	authority *Authority
	changes   changes
	ports     *ports
	backends  *backends
	names     fileNames
	files     []File
	listeners []Listener

	routes  map[string]string // the file of each route configuration that is used
	secrets map[secretUse]string
	// clusterStatus is /clusters by cluster, once somebody asked.
	clusterStatus map[string]*adminv3.ClusterStatus
}

func newBuilder(p *mesh.Proxy, opts Options) (*builder, error) {
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	taken := newPorts()
	return &builder{
		proxy: p, opts: opts, authority: authority, ports: taken,
		changes: changes{}, backends: newBackends(opts.Host, taken), names: fileNames{},
		routes: map[string]string{}, secrets: map[secretUse]string{},
	}, nil
}

func (b *builder) build() (*Folder, error) {
	folder := &Folder{Addresses: ownAddresses(b.proxy)}
	if err := b.writeListeners(); err != nil {
		return nil, err
	}
	admin := cmp.Or(b.opts.AdminPort, defaultAdminPort)
	folder.Admin = netip.AddrPortFrom(b.opts.Host, b.ports.mapped(admin, admin))
	if err := b.writeClusters(); err != nil {
		return nil, err
	}
	if err := b.writeBootstrap(folder.Admin); err != nil {
		return nil, err
	}
	if err := b.writeCertificates(); err != nil {
		return nil, err
	}
	folder.Backends = b.backends.list
	folder.Listeners = b.listeners
	folder.Changes = b.changes.sorted()
	b.files = append(b.files, File{Path: "README.md", Data: readme(b.proxy, folder)})
	slices.SortFunc(b.files, func(x, y File) int { return cmp.Compare(x.Path, y.Path) })
	folder.Files = b.files
	return folder, nil
}

// ownAddresses are the proxy's addresses as such; a node id may hold anything.
func ownAddresses(p *mesh.Proxy) []netip.Addr {
	var out []netip.Addr
	for _, text := range p.Addresses {
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, addr.Unmap())
		}
	}
	return out
}
