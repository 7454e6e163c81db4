// Package proxystatus tells what the control plane sent to each proxy and what
// of it the proxy took: istioctl's proxy-status, from files.
package proxystatus

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// State is where one xDS type stands between an istiod and a proxy.
type State string

const (
	// Synced: the proxy acknowledged what was sent last.
	Synced State = "SYNCED"
	// NotSent: nothing of this type was sent, because an Envoy never asked for it
	// or istiod has nothing of it.
	NotSent State = "NOT SENT"
	// Stale: sent, and not yet answered.
	Stale State = "STALE"
	// Error: the proxy refused what was sent (NACK) and keeps what it had.
	Error State = "ERROR"
	// Ignored: this kind of proxy does not ask for the type.
	Ignored State = "IGNORED"
	// Unknown: the capture does not tell.
	Unknown State = "UNKNOWN"
)

// Evidence is what an Error, or a refusal of the past, was seen in.
type Evidence string

const (
	// LastError is resources[].lastError of debug/syncz, or error_state of an xDS
	// ClientConfig: istiod's own record of the NACK.
	LastError Evidence = "lastError"
	// ErrorState is an envoy.admin.v3.UpdateFailureState in the proxy's dump.
	ErrorState Evidence = Evidence(mesh.InErrorState)
	// Log is a line of the proxy's log that names the refused resource.
	Log Evidence = Evidence(mesh.InLog)
	// Counter is an update_rejected counter of the proxy. It counts since Envoy
	// started: on its own it does not prove that the latest update was refused.
	Counter Evidence = Evidence(mesh.InCounter)
)

// Link is how the capture knows of a proxy's connection.
type Link string

const (
	// SyncKnown: an istiod reports the proxy's sync state.
	SyncKnown Link = "connected"
	// SyncUnknown: debug/adsz lists the proxy, but no sync state was captured.
	SyncUnknown Link = "connected, sync state not captured"
	// NotConnected: the capture has a dump or a pod of the proxy, and none of the
	// istiods in the capture lists it.
	NotConnected Link = "not connected"
	// NoIstiod: the capture has no istiod's list of proxies at all.
	NoIstiod Link = "no istiod captured"
)

// Table is the sync state of all proxies of a capture.
type Table struct {
	// Rows are sorted by proxy, then istiod: one per pair of both, as in istioctl.
	Rows []Row
	// AsOf is when ages are counted to; zero if not known.
	AsOf time.Time
	// Istiods are the control planes that list proxies, sorted by name.
	Istiods []string
	// Uncaptured are istiod pods among the Kubernetes objects that the capture has
	// no list of proxies from, as "name.namespace", sorted.
	Uncaptured []string
	// Problems are documents that could be read in part or not at all.
	Problems []string
}

// Row is one proxy as one istiod sees it.
type Row struct {
	// Name and Namespace are those of the pod; Namespace may be empty.
	Name, Namespace string
	Cluster         string
	// Istiod is the replica; empty for Link NotConnected and NoIstiod.
	Istiod string
	// ProxyType is the node type: "sidecar", "router", "waypoint", "ztunnel"; empty
	// where unknown (before Istio 1.18).
	ProxyType string
	// IstioVersion and ProxyVersion are the proxy's; ProxyVersion is what Istio up
	// to 1.1 reports alone.
	IstioVersion, ProxyVersion string
	Link                       Link
	// Types are the columns CDS LDS EDS RDS ECDS, always all five, then other types
	// that the proxy has asked for, by type URL.
	Types []TypeStatus
}

// Proxy is "name.namespace", or the name alone.
func (r *Row) Proxy() string {
	if r.Namespace == "" {
		return r.Name
	}
	return r.Name + "." + r.Namespace
}

// Version is the Istio version of the proxy, or what stands for it before 1.2.
func (r *Row) Version() string { return cmp.Or(r.IstioVersion, r.ProxyVersion) }

// State is the worst state of the row's types: ERROR, STALE, NOT SENT, SYNCED,
// and UNKNOWN where none is known.
func (r *Row) State() State {
	for _, worst := range []State{Error, Stale, NotSent, Synced} {
		if slices.ContainsFunc(r.Types, func(t TypeStatus) bool { return t.State == worst }) {
			return worst
		}
	}
	return Unknown
}

// Type returns the state of the type with this short name ("CDS").
func (r *Row) Type(short string) TypeStatus {
	for _, t := range r.Types {
		if t.Type == short {
			return t
		}
	}
	return TypeStatus{TypeSync: mesh.TypeSync{Type: short, Percent: -1}, State: Unknown, Age: -1}
}

// TypeStatus is the state of one xDS type of a row.
type TypeStatus struct {
	mesh.TypeSync
	State State
	// Reported is the state as istiod itself reports it, before the proxy's own
	// files were asked; it differs from State only where they show a refusal.
	Reported State
	// Age is the time from the latest push to Table.AsOf; negative if not known.
	Age time.Duration
	// Reason is why the proxy refused the update, or the counter that says that it
	// once refused one; empty where nothing was refused.
	Reason string
	// Evidence is where Reason comes from. With State other than Error it is
	// Counter, and tells of the past.
	Evidence Evidence
}

// Of returns the sync state of the proxies in namespace, or of all if it is empty.
func Of(c *mesh.Capture, namespace string) *Table {
	b := newBuilder(c)
	for i, cp := range c.ControlPlanes {
		b.addIstiod(cp, b.names[i])
	}
	b.addUnconnected()
	b.addUncaptured()
	t := b.table
	if namespace != "" {
		t.Rows = slices.DeleteFunc(t.Rows, func(r Row) bool { return r.Namespace != namespace })
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Proxy(), b.Proxy()), cmp.Compare(a.Istiod, b.Istiod))
	})
	slices.Sort(t.Istiods)
	return t
}

// splitProxy splits "pod.namespace" at its last dot: a pod's name may have dots.
func splitProxy(proxy string) (name, namespace string) {
	i := strings.LastIndexByte(proxy, '.')
	if i < 0 {
		return proxy, ""
	}
	return proxy[:i], proxy[i+1:]
}
