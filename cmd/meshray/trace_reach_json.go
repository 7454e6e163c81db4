package main

import (
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// reachDocument is the JSON form of what one proxy reaches.
type reachDocument struct {
	Proxy        string         `json:"proxy"`
	Kind         mesh.ProxyKind `json:"kind"`
	Summary      []verdictCount `json:"summary"`
	Destinations []reachTarget  `json:"destinations"`
}

type verdictCount struct {
	Verdict trace.Verdict `json:"verdict"`
	Count   int           `json:"count"`
}

type reachTarget struct {
	// Host is "*" for whatever nothing else claims.
	Host string `json:"host"`
	// Port is left out for any port.
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"`
	Label    string `json:"label,omitempty"`
	// Routes counts the routes of the virtual host, of which the request takes one.
	Routes    int               `json:"routes,omitempty"`
	Direction request.Direction `json:"direction"`
	Request   request.Request   `json:"request"`
	Ways      []reachWay        `json:"ways"`
	Truncated bool              `json:"truncated,omitempty"`
}

type reachWay struct {
	// Share is the part of the requests that end so, from 0 to 1.
	Share   float64       `json:"share"`
	Verdict trace.Verdict `json:"verdict"`
	Status  int           `json:"status,omitempty"`
	Flags   string        `json:"flags,omitempty"`
	Details string        `json:"details,omitempty"`
	Reason  string        `json:"reason"`
	// At is the proxy where the request ends.
	At string `json:"at"`
	// FirstVerdict is that of the first proxy; what follows is the first proxy's too.
	FirstVerdict trace.Verdict `json:"firstVerdict"`
	VirtualHost  string        `json:"virtualHost,omitempty"`
	Route        string        `json:"route,omitempty"`
	Cluster      string        `json:"cluster,omitempty"`
	Endpoints    int           `json:"endpoints"`
	Usable       int           `json:"usableEndpoints"`
	TLS          string        `json:"tls,omitempty"`
	Unknown      []string      `json:"unknown,omitempty"`
}

// reachFromDocument is the JSON form of who reaches a host.
type reachFromDocument struct {
	Host         string             `json:"host"`
	Destinations []reachDestination `json:"destinations"`
}

type reachDestination struct {
	Host     string         `json:"host"`
	Port     uint16         `json:"port,omitempty"`
	Protocol string         `json:"protocol"`
	Summary  []verdictCount `json:"summary"`
	From     []reachClient  `json:"from"`
}

// reachClient is proxies of one workload that answer the same.
type reachClient struct {
	Workload  string   `json:"workload"`
	Namespace string   `json:"namespace,omitempty"`
	Proxies   []string `json:"proxies"`
	// Reached has the request of the first of the proxies.
	Reached reachTarget `json:"reached"`
}

func newReachDocument(p *mesh.Proxy, reached []trace.Reached) reachDocument {
	doc := reachDocument{Proxy: p.Key(), Kind: p.Kind, Summary: newVerdictCounts(verdictsOf(reached)), Destinations: []reachTarget{}}
	for i := range reached {
		doc.Destinations = append(doc.Destinations, newReachTarget(&reached[i]))
	}
	return doc
}

func newReachFromDocument(host string, destinations []trace.Destination) reachFromDocument {
	doc := reachFromDocument{Host: host, Destinations: []reachDestination{}}
	for _, d := range destinations {
		out := reachDestination{Host: d.Host, Port: d.Port, Protocol: d.Protocol, Summary: newVerdictCounts(clientVerdicts(d)), From: []reachClient{}}
		for i := range d.From {
			f := &d.From[i]
			out.From = append(out.From, reachClient{Workload: f.Workload, Namespace: f.Namespace, Proxies: f.Proxies, Reached: newReachTarget(&f.Reached)})
		}
		doc.Destinations = append(doc.Destinations, out)
	}
	return doc
}

func newVerdictCounts(counts map[trace.Verdict]int) []verdictCount {
	out := []verdictCount{}
	for _, v := range sortedVerdicts(counts) {
		out = append(out, verdictCount{v, counts[v]})
	}
	return out
}

func newReachTarget(r *trace.Reached) reachTarget {
	out := reachTarget{
		Host: r.Host, Port: r.Port, Protocol: r.Protocol, Label: r.Label, Routes: r.Routes,
		Direction: r.Direction, Request: r.Request, Truncated: r.Truncated, Ways: []reachWay{},
	}
	for i := range r.Ways {
		w := &r.Ways[i]
		out.Ways = append(out.Ways, reachWay{
			Share: w.Share, Verdict: w.Verdict, Status: w.Status, Flags: w.Flags, Details: w.Details, Reason: w.Reason,
			At: w.At, FirstVerdict: w.First, VirtualHost: w.VirtualHost, Route: w.Route, Cluster: w.Cluster,
			Endpoints: w.Endpoints, Usable: w.Usable, TLS: w.TLS, Unknown: w.Unknowns,
		})
	}
	return out
}
