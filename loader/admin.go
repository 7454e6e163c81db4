package loader

import (
	"cmp"
	"encoding/json"
	"slices"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

type rawJSON = json.RawMessage

func parseRaw(raw []byte) (rawJSON, error) { return raw, nil }

// attach makes the file's content available on its proxy.
func attach(p *mesh.Proxy, f *file) {
	source := mesh.Source{File: f.input.Path, Line: 1}
	switch f.kind {
	case mesh.KindClusters:
		p.ClusterStatus = mesh.NewDoc(source, f.raw, pick(f.json, clustersMessage, parseClusters))
	case mesh.KindListeners:
		p.ListenerStatus = mesh.NewDoc(source, f.raw, pick(f.json, adminMessage[*adminv3.Listeners], parseListeners))
	case mesh.KindCerts:
		p.Certificates = mesh.NewDoc(source, f.raw, adminMessage[*adminv3.Certificates])
	case mesh.KindServerInfo:
		p.ServerInfo = mesh.NewDoc(source, f.raw, adminMessage[*adminv3.ServerInfo])
	case mesh.KindMemory:
		p.Memory = mesh.NewDoc(source, f.raw, adminMessage[*adminv3.Memory])
	case mesh.KindInitDump:
		p.InitDump = mesh.NewDoc(source, f.raw, adminMessage[*adminv3.UnreadyTargetsDumps])
	case mesh.KindStats:
		p.Stats = mesh.NewDoc(source, f.raw, parseStats)
	case mesh.KindRuntime:
		p.Runtime = mesh.NewDoc(source, f.raw, parseRuntime)
	case mesh.KindNetstat:
		p.Sockets = mesh.NewDoc(source, f.raw, parseNetstat)
	case mesh.KindLog:
		p.Log = mesh.NewDoc(source, f.raw, parseLog)
	case mesh.KindAccessLog:
		p.AccessLog = mesh.NewDoc(source, f.raw, parseLog)
	case mesh.KindZtunnel:
		p.ZtunnelDump = mesh.NewDoc(source, f.raw, parseZtunnel)
		p.Kind = mesh.Ztunnel
		p.IstioVersion = cmp.Or(p.IstioVersion, ztunnelVersion(rawjson.Get(f.raw, "version"), rawjson.Get(f.raw, "config")))
	}
}

func pick[T any](json bool, ifJSON, ifText func([]byte) (T, error)) func([]byte) (T, error) {
	if json {
		return ifJSON
	}
	return ifText
}

// adminMessage decodes the JSON of an admin endpoint.
func adminMessage[M proto.Message](raw []byte) (M, error) {
	var message M
	m, err := xds.Decode("type.googleapis.com/"+string(message.ProtoReflect().Descriptor().FullName()), raw)
	if err != nil {
		return message, err
	}
	return m.(M), nil
}

// clustersMessage decodes /clusters?format=json, or the array of its cluster_statuses that istioctl
// proxy-config endpoints writes.
func clustersMessage(raw []byte) (*adminv3.Clusters, error) {
	if rawjson.New(raw, 0).Kind() == '[' {
		raw = slices.Concat([]byte(`{"cluster_statuses":`), raw, []byte("}"))
	}
	return adminMessage[*adminv3.Clusters](raw)
}

// settle completes a proxy from its other files once all are known.
func settle(p *mesh.Proxy) {
	if p.EnvoyVersion == "" {
		if info, err := p.ServerInfo.Get(); err == nil {
			p.EnvoyVersion = buildVersion(info.GetVersion())
		}
	}
	judgeWarming(p)
}
