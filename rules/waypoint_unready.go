package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// WaypointUnready reports waypoints that ztunnel must use and cannot reach.
var WaypointUnready = &analyze.Rule{
	Name:       "waypoint-unready",
	Code:       "MSH05",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedZtunnel},
	Doc: analyze.Doc{
		Title: "services or workloads have a waypoint, and no instance of it is healthy",
		Finds: "Waypoints that services and workloads of a ztunnel's config_dump name (`waypoint.destination`, \"network/ip\" or \"namespace/hostname\"). The destination is looked up among the services (their `vips` and hostname) and the workloads of the same dump: it must have an endpoint whose workload is there and `Healthy`. A destination that the ztunnel does not know at all is a warning.",
		Hurts: "ztunnel does not go around a waypoint: the connections fail. Clients see them reset or closed, and ztunnel's log says that there is no healthy upstream or an unknown waypoint.",
		Example: `{"services": [
  {"name": "cart", "namespace": "shop", "waypoint": {"destination": "shop/waypoint.shop.svc.cluster.local", "hboneMtlsPort": 15008}},
  {"name": "waypoint", "namespace": "shop", "hostname": "waypoint.shop.svc.cluster.local", "endpoints": {}}]}`,
		Silent: "waypoints that nothing names; a waypoint with one healthy instance among others that are not. istiod names a waypoint only after its Gateway has an address, so a new one is not seen here before it works.",
		Fix:    "look at the waypoint's Deployment and Gateway, or remove the label istio.io/use-waypoint until it runs",
		References: []string{
			"https://istio.io/latest/docs/ambient/usage/waypoint/",
			"https://istio.io/latest/docs/ambient/usage/troubleshoot-waypoints/",
		},
	},
	Run: runWaypointUnready,
}

func runWaypointUnready(pass *analyze.Pass) {
	for p, dump := range pass.Capture.Ztunnels() {
		users := waypointUsers(dump)
		instances := newInstances(dump)
		for _, destination := range slices.Sorted(maps.Keys(users)) {
			known, healthy := instances.of(destination)
			if healthy == 0 {
				reportWaypoint(pass, p, destination, known, users[destination])
			}
		}
	}
}

// waypointUsers lists who must go through each waypoint.
func waypointUsers(dump *mesh.ZtunnelDump) map[string][]string {
	users := map[string][]string{}
	for _, s := range dump.Services {
		if s.Waypoint != nil && s.Waypoint.Destination != "" {
			users[s.Waypoint.Destination] = append(users[s.Waypoint.Destination], "service "+s.Key())
		}
	}
	for _, w := range dump.Workloads {
		if w.Waypoint != nil && w.Waypoint.Destination != "" {
			users[w.Waypoint.Destination] = append(users[w.Waypoint.Destination], "workload "+w.Namespace+"/"+w.Name)
		}
	}
	for _, list := range users {
		slices.Sort(list)
	}
	return users
}

// instances are the workloads of a ztunnel's dump by the names that lead to them.
type instances struct {
	healthy map[string]bool // workloads by UID
	byName  map[string][]instance
}

type instance struct{ uid, status string }

func newInstances(dump *mesh.ZtunnelDump) *instances {
	i := &instances{healthy: map[string]bool{}, byName: map[string][]instance{}}
	for _, w := range dump.Workloads {
		i.healthy[w.UID] = w.Status != "Unhealthy"
		names := []string{w.Namespace + "/" + w.Hostname}
		for _, ip := range w.Addresses {
			// A destination names no network where there is only one.
			names = append(names, w.Network+"/"+ip, "/"+ip)
		}
		for _, name := range slices.Compact(names) {
			i.byName[name] = append(i.byName[name], instance{w.UID, w.Status})
		}
	}
	for _, s := range dump.Services {
		for _, name := range append([]string{s.Key()}, s.VIPs...) {
			endpoints := i.byName[name][:0:0]
			for _, e := range s.Endpoints {
				endpoints = append(endpoints, instance{e.WorkloadUID, e.Status})
			}
			i.byName[name] = endpoints
		}
	}
	return i
}

// of counts the healthy instances behind a destination; known is set where the
// destination is there at all.
func (i *instances) of(destination string) (known bool, healthy int) {
	found, known := i.byName[destination]
	for _, e := range found {
		if i.healthy[e.uid] && cmp.Or(e.status, "Healthy") == "Healthy" {
			healthy++
		}
	}
	return known, healthy
}

func reportWaypoint(pass *analyze.Pass, p *mesh.Proxy, destination string, known bool, users []string) {
	name := strings.TrimPrefix(destination, "/")
	f := analyze.Finding{
		Ref:     mesh.Ref{Proxy: p.Key(), Name: name},
		Source:  p.ZtunnelDump.Source,
		Message: fmt.Sprintf("%s is the waypoint of %s, and no instance of it is healthy", name, users[0]),
		Essence: "unready",
	}
	if more := len(users) - 1; more > 0 {
		f.Message = fmt.Sprintf("%s is the waypoint of %s and %d more, and no instance of it is healthy", name, users[0], more)
	}
	if !known {
		f.Severity, f.Confidence = analyze.Warning, analyze.Likely
		f.Message = strings.Replace(f.Message, "and no instance of it is healthy", "which this ztunnel does not know", 1)
	}
	for _, user := range users[:min(len(users), listedPlaces)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "needs it", Value: user})
	}
	pass.Report(f)
}
