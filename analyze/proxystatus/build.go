package proxystatus

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// builder collects the rows of a table.
type builder struct {
	capture *mesh.Capture
	table   *Table
	// names are the names of the capture's control planes, in its order.
	names []string
	// dumps are what the capture has of a pod: several where it was captured again.
	dumps map[pod][]*mesh.Proxy
	// connected are the pods that some istiod lists.
	connected map[pod]bool
}

// pod identifies a proxy over several files.
type pod struct{ name, namespace string }

func newBuilder(c *mesh.Capture) *builder {
	b := &builder{
		capture:   c,
		table:     &Table{AsOf: c.AsOf},
		names:     istiodNames(c.ControlPlanes),
		dumps:     map[pod][]*mesh.Proxy{},
		connected: map[pod]bool{},
	}
	for _, p := range c.Proxies {
		id := pod{p.Name, p.Namespace}
		b.dumps[id] = append(b.dumps[id], p)
	}
	return b
}

// istiodNames are the replicas' names, with the folder where several captures
// have an istiod of the same name.
func istiodNames(all []*mesh.ControlPlane) []string {
	count := map[string]int{}
	for _, cp := range all {
		count[cp.Key()]++
	}
	names := make([]string, len(all))
	for i, cp := range all {
		names[i] = cp.Name
		if count[cp.Key()] > 1 {
			names[i] = fmt.Sprintf("%s (%s)", cp.Name, path.Dir(origin(cp)))
		}
	}
	return names
}

// origin is the file that a control plane's list of proxies comes from.
func origin(cp *mesh.ControlPlane) string {
	switch {
	case cp.Sync != nil:
		return cp.Sync.Source.File
	case cp.Connections != nil:
		return cp.Connections.Source.File
	case len(cp.Files) > 0:
		return cp.Files[0].Path
	}
	return ""
}

// addIstiod adds the proxies that one istiod lists.
func (b *builder) addIstiod(cp *mesh.ControlPlane, name string) {
	statuses, syncErr := cp.Sync.Get()
	connections, connErr := cp.Connections.Get()
	if cp.Sync != nil {
		b.problem(cp.Sync.Source, syncErr)
	}
	if cp.Connections != nil {
		b.problem(cp.Connections.Source, connErr)
	}
	if cp.Sync == nil && cp.Connections == nil {
		return
	}
	if cp.Sync != nil && len(statuses) == 0 && len(connections) > 0 {
		b.problem(cp.Sync.Source, fmt.Errorf("lists no proxy, though %d are connected: their sync state is not known", len(connections)))
	}
	listed := map[pod]bool{}
	for _, s := range statuses {
		row := b.syncRow(s, cmp.Or(s.Istiod, name), cp.Sync.Source.File)
		listed[pod{row.Name, row.Namespace}] = true
		b.add(row)
	}
	for _, c := range connections {
		row := b.connectionRow(c, name, cp.Connections.Source.File)
		id := pod{row.Name, row.Namespace}
		if !listed[id] {
			listed[id] = true
			b.add(row)
		}
	}
	if len(listed) == 0 {
		b.table.Istiods = append(b.table.Istiods, name)
	}
}

func (b *builder) problem(source mesh.Source, err error) {
	if err != nil {
		b.table.Problems = append(b.table.Problems, fmt.Sprintf("%s: %v", source.File, err))
	}
}

func (b *builder) add(row Row) {
	b.connected[pod{row.Name, row.Namespace}] = true
	if !slices.Contains(b.table.Istiods, row.Istiod) {
		b.table.Istiods = append(b.table.Istiods, row.Istiod)
	}
	b.table.Rows = append(b.table.Rows, row)
}

func (b *builder) syncRow(s mesh.SyncStatus, istiod, file string) Row {
	row := Row{
		Cluster: s.ClusterID, Istiod: istiod, ProxyType: s.ProxyType,
		IstioVersion: s.IstioVersion, ProxyVersion: s.ProxyVersion, Link: SyncKnown,
	}
	row.Name, row.Namespace = splitProxy(s.Proxy)
	row.Types = columns(s.Types)
	for i := range row.Types {
		t := &row.Types[i]
		t.Reported = reported(t.TypeSync, s.ProxyType)
		t.State = t.Reported
		t.Reason = t.LastError
		if t.State == Error {
			t.Evidence = LastError
		}
		if !b.table.AsOf.IsZero() && !t.SentAt.IsZero() {
			t.Age = max(b.table.AsOf.Sub(t.SentAt), 0)
		}
	}
	ownEvidence(&row, b.dump(row.Name, row.Namespace, file))
	return row
}

// connectionRow is a proxy of which only the connection is known.
func (b *builder) connectionRow(c mesh.Connection, istiod, file string) Row {
	row := Row{Cluster: c.ClusterID, Istiod: istiod, IstioVersion: c.IstioVersion, Link: SyncUnknown}
	row.Name, row.Namespace = splitProxy(c.Proxy)
	row.Types = columns(nil)
	b.complete(&row, b.dump(row.Name, row.Namespace, file))
	return row
}

// complete fills in what only the proxy's own files tell.
func (b *builder) complete(row *Row, p *mesh.Proxy) {
	for i := range row.Types {
		row.Types[i].State, row.Types[i].Reported = Unknown, Unknown
	}
	if p == nil {
		return
	}
	row.IstioVersion = cmp.Or(row.IstioVersion, p.IstioVersion)
	row.ProxyType = cmp.Or(row.ProxyType, nodeType(p.Kind))
	ownEvidence(row, p)
}

func nodeType(kind mesh.ProxyKind) string {
	switch kind {
	case mesh.OtherProxy:
		return ""
	case mesh.Gateway:
		return "router"
	}
	return string(kind)
}

// dump returns what the capture has of a pod. Of several captures of it the one
// that lies nearest to file counts, then the newest.
func (b *builder) dump(name, namespace, file string) *mesh.Proxy {
	all := b.dumps[pod{name, namespace}]
	if len(all) == 0 {
		all = b.dumps[pod{name, ""}]
	}
	var best *mesh.Proxy
	for _, p := range all {
		if best == nil || nearer(p, best, file) {
			best = p
		}
	}
	return best
}

func nearer(p, than *mesh.Proxy, file string) bool {
	if a, b := shared(p, file), shared(than, file); a != b {
		return a > b
	}
	return p.Captured.After(than.Captured)
}

// shared counts the bytes of the folders that the proxy's file shares with file.
func shared(p *mesh.Proxy, file string) int {
	if len(p.Files) == 0 {
		return 0
	}
	own, folder := p.Files[0].Path, 0
	for i := 0; i < min(len(own), len(file)) && own[i] == file[i]; i++ {
		if own[i] == '/' {
			folder = i + 1
		}
	}
	return folder
}
