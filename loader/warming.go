package loader

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// judgeWarming finds out what each warming resource waits for, and tells the
// clusters that wait from those that Envoy refused: both stand in
// dynamic_warming_clusters, because a cluster has no error_state.
func judgeWarming(p *mesh.Proxy) {
	for _, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Secret} {
		for _, r := range p.Resources(kind) {
			if r.State == mesh.Warming {
				r.WaitsFor = waitsFor(p, r)
			}
		}
	}
	for _, r := range p.Clusters {
		if r.State != mesh.Warming {
			continue
		}
		if failure := refusal(p, r); failure != nil {
			r.State, r.Error, r.WaitsFor = mesh.Rejected, failure, nil
		}
	}
}

func waitsFor(p *mesh.Proxy, r *mesh.Resource) []string {
	var waits []string
	switch r.Kind {
	case mesh.Secret:
		return []string{"the control plane: the secret was asked for and never sent"}
	case mesh.Listener:
		waits = append(waits, initTargets(p, r.Name())...)
	case mesh.Cluster:
		waits = append(waits, clusterWaits(p, r)...)
	}
	for _, s := range p.Secrets {
		if s.State == mesh.Warming && mentions(r.Raw(), s.Name()) {
			waits = appendNew(waits, "secret "+s.Name())
		}
	}
	return waits
}

func clusterWaits(p *mesh.Proxy, r *mesh.Resource) []string {
	switch r.Peek("type") {
	case "EDS":
		service := r.Peek("eds_cluster_config", "service_name")
		if service == "" {
			service = r.Name()
		}
		if p.Whole(mesh.Endpoint) && p.Active(mesh.Endpoint, service) == nil {
			return []string{"endpoints of " + service}
		}
	case "STRICT_DNS", "LOGICAL_DNS":
		return []string{"DNS"}
	}
	if rawjson.Get(r.Raw(), "health_checks") != nil {
		return []string{"the first health check"}
	}
	return nil
}

// initTargets reads from /init_dump what a listener waits for: "shared target
// SdsApi shop-cert" is a secret, "RdsRouteConfigSubscription ..." a route
// configuration.
func initTargets(p *mesh.Proxy, listener string) []string {
	dump, _ := p.InitDump.Get()
	var waits []string
	for _, d := range dump.GetUnreadyTargetsDumps() {
		if !slices.Contains(strings.Fields(d.GetName()), listener) {
			continue
		}
		for _, target := range d.GetTargetNames() {
			if name, ok := strings.CutPrefix(target, "shared target SdsApi "); ok {
				target = "secret " + name
			}
			waits = appendNew(waits, target)
		}
	}
	return waits
}

// refusal returns why Envoy refused a cluster: its log says so by name; else its
// counter says that something was refused, and this cluster waits for nothing.
func refusal(p *mesh.Proxy, r *mesh.Resource) *mesh.ErrorState {
	if failure := loggedRefusal(p, r); failure != nil {
		return failure
	}
	stats, _ := p.Stats.Get()
	for _, rejection := range stats.Rejections() {
		if rejection.Type == "CDS" && len(r.WaitsFor) == 0 && !mayWait(p, r) {
			return &mesh.ErrorState{
				Witness: mesh.InCounter,
				Details: rejection.Metric + " counts refused updates, and this cluster has nothing to wait for; Envoy's log has the reason",
				Version: r.Version, At: r.Updated,
			}
		}
	}
	return nil
}

// mayWait reports whether the cluster may wait for something that the dump does not
// have: must-gathers are made without include_eds.
func mayWait(p *mesh.Proxy, r *mesh.Resource) bool {
	sds := bytes.Contains(r.Raw(), []byte(`"sds_config"`)) || bytes.Contains(r.Raw(), []byte(`"sdsConfig"`))
	return r.Peek("type") == "EDS" && !p.Whole(mesh.Endpoint) || sds && !p.Whole(mesh.Secret)
}

var (
	refusedLine = regexp.MustCompile(`cds: (?:cluster|add/update cluster) '(.*?)' config rejected: (.*?)(?:\s+thread=\d+)?\s*$`)
	loggedAt    = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?`)
)

// loggedRefusal finds the newest line of Envoy's log that refuses the cluster.
// A line from before the resource came tells of an older one.
func loggedRefusal(p *mesh.Proxy, r *mesh.Resource) *mesh.ErrorState {
	if p.Log == nil {
		return nil
	}
	var newest *mesh.ErrorState
	rest := p.Log.Raw
	for {
		at := bytes.Index(rest, []byte("config rejected: "))
		if at < 0 {
			return newest
		}
		start := bytes.LastIndexByte(rest[:at], '\n') + 1
		end := len(rest)
		if n := bytes.IndexByte(rest[at:], '\n'); n >= 0 {
			end = at + n
		}
		line := rest[start:end]
		rest = rest[end:]
		m := refusedLine.FindSubmatch(line)
		if m == nil || string(m[1]) != r.Name() {
			continue
		}
		logged := logTime(line)
		if !logged.IsZero() && logged.Before(r.Updated.Add(-time.Second)) {
			continue
		}
		newest = &mesh.ErrorState{Witness: mesh.InLog, Details: string(m[2]), Version: r.Version, At: logged}
	}
}

func logTime(line []byte) time.Time {
	text := strings.Replace(string(loggedAt.Find(line)), " ", "T", 1)
	t, err := time.Parse("2006-01-02T15:04:05.999999999", text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func mentions(raw []byte, name string) bool {
	return name != "" && bytes.Contains(raw, []byte(strconv.Quote(name)))
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
