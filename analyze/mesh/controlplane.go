package mesh

import (
	"encoding/json"
	"time"
)

// ControlPlane is one istiod (or Pilot) replica and its debug endpoints.
type ControlPlane struct {
	// Name is the pod; "istiod" where the capture does not tell.
	Name      string
	Namespace string
	// Revision and Version are empty where unknown.
	Revision string
	Version  string

	// Sync is debug/syncz: what was sent to each proxy and acknowledged.
	Sync *Doc[[]SyncStatus]
	// Connections is debug/adsz: the proxies that are connected.
	Connections *Doc[[]Connection]
	// Debug holds the other debug endpoints by name: "registryz",
	// "endpointShardz", "configz", "mesh", "push_status", ...
	Debug map[string]*Doc[json.RawMessage]
	// Metrics is istiod's Prometheus output.
	Metrics *Doc[*Stats]
	// Log is discovery.log.
	Log *Doc[[]LogLine]

	Files []*Input
}

// Key is "name.namespace", or "name" without a namespace.
func (c *ControlPlane) Key() string {
	if c.Namespace == "" {
		return c.Name
	}
	return c.Name + "." + c.Namespace
}

// NewestPush is when the istiod last sent something, or was last answered; zero where
// syncz does not tell.
func (c *ControlPlane) NewestPush() time.Time {
	var newest time.Time
	statuses, _ := c.Sync.Get()
	for _, status := range statuses {
		for _, t := range status.Types {
			for _, at := range []time.Time{t.SentAt, t.AckedAt} {
				if at.After(newest) {
					newest = at
				}
			}
		}
	}
	return newest
}

// SyncStatus is what one istiod sent to one proxy, from debug/syncz or an xDS
// ClientConfig.
type SyncStatus struct {
	// Proxy is "pod.namespace".
	Proxy string
	// ClusterID is empty before Istio 1.13.
	ClusterID string
	// ProxyType is empty before Istio 1.18.
	ProxyType    string
	ProxyVersion string
	IstioVersion string
	// Types are in the order CDS LDS EDS RDS ECDS, then others by type URL.
	Types []TypeSync
	// Istiod overrides the replica's name: an xDS ClientConfig names it.
	Istiod string
}

// TypeSync is the state of one xDS type between one istiod and one proxy.
type TypeSync struct {
	// Type is the short name: CDS, LDS, EDS, RDS, ECDS, NDS, WDS, ...
	Type    string
	TypeURL string
	// Sent and Acked are nonces; both are empty for a type never asked for.
	Sent, Acked string
	// SentAt is resources[].sentTime, or the time in an old nonce; zero if unknown.
	SentAt time.Time
	// AckedAt is the time in an old nonce; zero if unknown.
	AckedAt time.Time
	// LastError is the reason of a NACK.
	LastError string
	// Percent is endpoint_percent (Istio 1.0 to 1.5); -1 if absent.
	Percent int
	// Status is config_status of an xDS ClientConfig, "" for syncz.
	Status string
}

// Connection is one client of istiod's ADS server, from debug/adsz.
type Connection struct {
	// ID is the connection id, "pod.namespace-12".
	ID string
	// Proxy is "pod.namespace".
	Proxy       string
	Address     string
	ConnectedAt time.Time
	// IstioVersion is the proxy's, from its node metadata; empty before 1.8.
	IstioVersion string
	ClusterID    string
	// Watches are the names asked for by type URL; nil where adsz has none.
	Watches map[string][]string
}

// Object is a Kubernetes object or one of Istio's custom resources.
type Object struct {
	APIVersion, Kind string
	Namespace, Name  string
	// Fields is the whole object with the types of encoding/json, whether it was
	// JSON or YAML: numbers are float64.
	Fields map[string]any
	// Line is where the object begins in its file; 0 if not known.
	Line int
}

// LogLine is one record of a log.
type LogLine struct {
	// Line counts from 1.
	Line int
	// Time is zero where the record has none.
	Time time.Time
	// Level is "debug", "info", "warning", "error", "critical"; "" for an access
	// log or free text.
	Level string
	// Text is what stands behind time and level; the whole line for an access log
	// or free text.
	Text string
}
