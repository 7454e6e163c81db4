package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// traceDocument is the JSON form of one trace.
type traceDocument struct {
	Paths     []tracePath `json:"paths"`
	Truncated bool        `json:"truncated,omitempty"`
}

type tracePath struct {
	// Share is the part of the requests that go this way, from 0 to 1.
	Share float64    `json:"share"`
	Hops  []traceHop `json:"hops"`
}

type traceHop struct {
	Proxy     string            `json:"proxy"`
	Kind      mesh.ProxyKind    `json:"kind"`
	Direction request.Direction `json:"direction"`
	Request   request.Request   `json:"request"`
	Steps     []traceStep       `json:"steps"`
	Outcome   traceOutcome      `json:"outcome"`
	Unknowns  []traceUnknown    `json:"unknowns,omitempty"`
}

type traceStep struct {
	Kind     trace.StepKind  `json:"kind"`
	Chosen   string          `json:"chosen,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Ref      lintRef         `json:"ref"`
	Source   *lintSource     `json:"source,omitempty"`
	Object   *traceObject    `json:"object,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
	Rejected []traceRejected `json:"rejected,omitempty"`
}

type traceObject struct {
	Kind      string      `json:"kind,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	Source    *lintSource `json:"source,omitempty"`
}

type traceRejected struct {
	Candidate string `json:"candidate"`
	Condition string `json:"condition"`
	Want      string `json:"want"`
	Got       string `json:"got"`
}

type traceUnknown struct {
	What   string `json:"what"`
	Effect string `json:"effect"`
}

type traceOutcome struct {
	Verdict           trace.Verdict    `json:"verdict"`
	Status            int              `json:"status,omitempty"`
	Flags             string           `json:"flags,omitempty"`
	Details           string           `json:"details,omitempty"`
	GRPCStatus        *int             `json:"grpcStatus,omitempty"`
	Reason            string           `json:"reason"`
	Listener          string           `json:"listener,omitempty"`
	FilterChain       string           `json:"filterChain,omitempty"`
	RouteConfig       string           `json:"routeConfig,omitempty"`
	VirtualHost       string           `json:"virtualHost,omitempty"`
	Route             string           `json:"route,omitempty"`
	Cluster           string           `json:"cluster,omitempty"`
	Policy            string           `json:"policy,omitempty"`
	Endpoints         []traceEndpoint  `json:"endpoints,omitempty"`
	UpstreamPath      string           `json:"upstreamPath,omitempty"`
	UpstreamAuthority string           `json:"upstreamAuthority,omitempty"`
	Location          string           `json:"location,omitempty"`
	Mirrors           []traceMirror    `json:"mirrors,omitempty"`
	Timeout           string           `json:"timeout,omitempty"`
	Upstream          *traceConnection `json:"upstream,omitempty"`
}

type traceEndpoint struct {
	Address  string  `json:"address"`
	Weight   uint32  `json:"weight"`
	Priority uint32  `json:"priority,omitempty"`
	Locality string  `json:"locality,omitempty"`
	Health   string  `json:"health,omitempty"`
	Share    float64 `json:"share"`
}

type traceMirror struct {
	Cluster string  `json:"cluster"`
	Share   float64 `json:"share"`
}

type traceConnection struct {
	Mode    string   `json:"mode"`
	SNI     string   `json:"sni,omitempty"`
	ALPN    []string `json:"alpn,omitempty"`
	SANs    []string `json:"sans,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
}

func newTraceDocument(t *trace.Trace) traceDocument {
	doc := traceDocument{Truncated: t.Truncated, Paths: []tracePath{}}
	for _, p := range t.Paths {
		path := tracePath{Share: p.Share, Hops: []traceHop{}}
		for i := range p.Hops {
			path.Hops = append(path.Hops, newTraceHop(&p.Hops[i]))
		}
		doc.Paths = append(doc.Paths, path)
	}
	return doc
}

func newTraceHop(h *trace.Hop) traceHop {
	out := traceHop{Proxy: h.Proxy, Kind: h.Kind, Direction: h.Direction, Request: h.Request, Steps: []traceStep{}, Outcome: newTraceOutcome(&h.Outcome)}
	for i := range h.Steps {
		out.Steps = append(out.Steps, newTraceStep(&h.Steps[i]))
	}
	for _, u := range h.Unknowns {
		out.Unknowns = append(out.Unknowns, traceUnknown{What: u.What, Effect: u.Effect})
	}
	return out
}

func newTraceStep(s *trace.Step) traceStep {
	out := traceStep{Kind: s.Kind, Chosen: s.Chosen, Reason: s.Reason, Ref: newLintRef(s.Ref), Source: newLintSource(s.Source), Notes: s.Notes}
	if s.Object != nil {
		out.Object = &traceObject{Kind: s.Object.Kind, Namespace: s.Object.Namespace, Name: s.Object.Name, Source: newLintSource(s.Object.Source)}
	}
	for _, r := range s.Rejected {
		out.Rejected = append(out.Rejected, traceRejected(r))
	}
	return out
}

func newTraceOutcome(o *trace.Outcome) traceOutcome {
	out := traceOutcome{
		Verdict: o.Verdict, Status: o.Status, Flags: o.Flags, Details: o.Details, Reason: o.Reason,
		Listener: o.Listener, FilterChain: o.FilterChain, RouteConfig: o.RouteConfig, VirtualHost: o.VirtualHost, Route: o.Route,
		Cluster: o.Cluster, Policy: o.Policy, UpstreamPath: o.UpstreamPath, UpstreamAuthority: o.UpstreamAuthority, Location: o.Location,
	}
	if o.GRPCStatus >= 0 {
		out.GRPCStatus = &o.GRPCStatus
	}
	if o.Timeout >= 0 {
		out.Timeout = o.Timeout.Round(time.Millisecond).String()
	}
	for _, e := range o.Endpoints {
		out.Endpoints = append(out.Endpoints, traceEndpoint(e))
	}
	for _, m := range o.Mirrors {
		out.Mirrors = append(out.Mirrors, traceMirror(m))
	}
	if o.Upstream.Mode != "" {
		connection := traceConnection(o.Upstream)
		out.Upstream = &connection
	}
	return out
}

// writeLine writes a JSON document in one line.
func writeLine(w io.Writer, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(escapeInvisible(json.RawMessage(raw), jsonEscape), '\n'))
	return err
}
