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

// attach makes the file's content available on its proxy. The first of several
// files of a kind counts: /stats is often saved in several formats.
func attach(p *mesh.Proxy, f *file) {
	source := mesh.Source{File: f.input.Path, Line: 1}
	switch f.kind {
	case mesh.KindClusters:
		set(&p.ClusterStatus, source, f.raw, pick(f.json, clustersMessage, parseClusters))
	case mesh.KindListeners:
		set(&p.ListenerStatus, source, f.raw, pick(f.json, adminMessage[*adminv3.Listeners], parseListeners))
	case mesh.KindCerts:
		set(&p.Certificates, source, f.raw, adminMessage[*adminv3.Certificates])
	case mesh.KindServerInfo:
		set(&p.ServerInfo, source, f.raw, adminMessage[*adminv3.ServerInfo])
	case mesh.KindMemory:
		set(&p.Memory, source, f.raw, adminMessage[*adminv3.Memory])
	case mesh.KindInitDump:
		set(&p.InitDump, source, f.raw, adminMessage[*adminv3.UnreadyTargetsDumps])
	case mesh.KindStats:
		set(&p.Stats, source, f.raw, parseStats)
	case mesh.KindRuntime:
		set(&p.Runtime, source, f.raw, parseRuntime)
	case mesh.KindNetstat:
		set(&p.Sockets, source, f.raw, parseNetstat)
	case mesh.KindLog:
		set(&p.Log, source, f.raw, parseLog)
	case mesh.KindAccessLog:
		set(&p.AccessLog, source, f.raw, parseLog)
	case mesh.KindZtunnel:
		set(&p.ZtunnelDump, source, f.raw, parseZtunnel)
		p.Kind = mesh.Ztunnel
		p.IstioVersion = cmp.Or(p.IstioVersion, ztunnelVersion(rawjson.Get(f.raw, "version"), rawjson.Get(f.raw, "config")))
	}
}

func set[T any](doc **mesh.Doc[T], source mesh.Source, raw []byte, parse func([]byte) (T, error)) {
	if *doc == nil {
		*doc = mesh.NewDoc(source, raw, parse)
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
