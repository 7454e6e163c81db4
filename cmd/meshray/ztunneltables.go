package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

// ztunnelSection is a part of a ztunnel dump in every form that it is shown in.
type ztunnelSection struct {
	layout layout
	// header and rows hold the columns of the wide table; the plain table is the
	// first columns of them.
	header  []string
	columns int
	rows    [][]string
	paint   painter
	// names are ztunnel's own keys, or else what a person calls the thing.
	names []string
	raw   []json.RawMessage
	// timeless says that a validity could not be judged for want of a time.
	timeless bool
}

func newZtunnelSection(columns int, header ...string) ztunnelSection {
	return ztunnelSection{
		layout: layout{padding: 1}, columns: columns, header: header,
		raw: []json.RawMessage{}, // an empty list, not null
	}
}

func (s *ztunnelSection) add(name string, raw json.RawMessage, cells ...string) {
	s.rows = append(s.rows, cells)
	s.raw = append(s.raw, raw)
	s.names = append(s.names, name)
}

func (s *ztunnelSection) write(w io.Writer, wide, colored bool) error {
	columns := s.columns
	if wide {
		columns = len(s.header)
	}
	rows := [][]string{s.header[:columns]}
	for _, row := range s.rows {
		rows = append(rows, row[:columns])
	}
	if !colored {
		return writeTable(w, s.layout, rows, nil)
	}
	return writeTable(w, s.layout, rows, func(row, column int, text string) style {
		switch {
		case row == 0:
			return bold
		case s.paint != nil:
			return s.paint(row, column, text)
		}
		return ""
	})
}

func workloadSection(c *cli.Context, _ *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error) {
	s := newZtunnelSection(6, "NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL",
		"STATUS", "SERVICE ACCOUNT", "WORKLOAD", "NETWORK", "CLUSTER", "POLICIES")
	for _, w := range proxyconfig.ZtunnelWorkloads(d, proxyconfig.ZtunnelWorkloadFilter{
		Address: c.String("address"), Namespace: c.String("workload-namespace"), Node: c.String("workload-node"),
	}) {
		s.add(cmp.Or(w.UID, w.Namespace+"/"+w.Name), w.Raw,
			w.Namespace, w.Name, w.Address, w.Node, w.Waypoint, w.Protocol,
			w.Status, w.ServiceAccount, joinNonEmpty("/", w.WorkloadType, w.WorkloadName), w.Network, w.ClusterID, strings.Join(w.Policies, ","))
	}
	return s, nil
}

func serviceSection(c *cli.Context, _ *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error) {
	s := newZtunnelSection(5, "NAMESPACE", "SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS",
		"HOSTNAME", "PORTS", "IP FAMILIES", "SUBJECT ALT NAMES")
	for _, svc := range proxyconfig.ZtunnelServices(d, c.String("service-namespace")) {
		s.add(svc.Key(), svc.Raw, svc.Namespace, svc.Name, svc.VIP, svc.Waypoint, svc.Health(),
			svc.Hostname, portsText(svc.Ports), svc.IPFamilies, strings.Join(svc.SubjectAltNames, ","))
	}
	return s, nil
}

// portsText is "80:8080,443", as Kubernetes writes ports and target ports.
func portsText(ports []mesh.ZtunnelPort) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(p.Service)
		if p.Target != 0 && p.Target != p.Service {
			texts[i] += ":" + strconv.Itoa(p.Target)
		}
	}
	return strings.Join(texts, ",")
}

func policySection(c *cli.Context, _ *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error) {
	s := newZtunnelSection(4, "NAMESPACE", "POLICY NAME", "ACTION", "SCOPE", "RULES")
	for _, p := range proxyconfig.ZtunnelPolicies(d, c.String("policy-namespace")) {
		s.add(p.Key(), p.Raw, p.Namespace, p.Name, p.Action, p.Scope, ruleCount(p))
	}
	return s, nil
}

func ruleCount(p *mesh.ZtunnelPolicy) string {
	var rules []json.RawMessage
	if p.Rules != nil && json.Unmarshal(p.Rules, &rules) != nil {
		return "?"
	}
	return strconv.Itoa(len(rules))
}

func certificateSection(_ *cli.Context, capture *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error) {
	s := newZtunnelSection(7, "CERTIFICATE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE", "REASON")
	s.layout = istioctlLayout()
	s.paint = func(_, column int, text string) style {
		switch {
		case column == 3 && text == "false", column == 2 && text == "Unavailable":
			return red
		case column == 3 && text == "unknown", column == 2 && text == "Initializing":
			return yellow
		}
		return ""
	}
	for _, r := range proxyconfig.ZtunnelCertificates(d, capture.AsOf) {
		reason := ""
		if r.Status != r.State {
			reason = strings.TrimPrefix(r.State, r.Status+": ")
		}
		s.add(r.Identity, nil, r.Identity, r.Type, r.Status, r.Valid, r.Serial, r.NotAfter, r.NotBefore, reason)
		s.timeless = s.timeless || r.Valid == "unknown"
	}
	s.names = slices.Compact(s.names)
	s.raw = s.raw[:0]
	for _, certificate := range d.Certificates {
		s.raw = append(s.raw, certificate.Raw)
	}
	return s, nil
}

const bothDirections = "both"

func connectionSection(c *cli.Context, _ *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error) {
	filter := proxyconfig.ZtunnelConnectionFilter{Namespace: c.String("workload-namespace")}
	if direction := c.String("direction"); direction != bothDirections {
		filter.Direction = direction
	}
	if format := c.String("output"); filter.Direction != "" && (format == "json" || format == "yaml") {
		return ztunnelSection{}, usageError{
			message: fmt.Sprintf("--direction does not go with -o %s, which shows workloads with all their connections as captured", format),
			hint:    "leave --direction out, or use -o table",
		}
	}
	s := newZtunnelSection(6, "WORKLOAD", "DIRECTION", "LOCAL", "REMOTE", "REMOTE TARGET", "PROTOCOL", "STATE", "SERVICE ACCOUNT", "UID")
	for _, r := range proxyconfig.ZtunnelConnections(d, filter, c.Bool("raw")) {
		s.add(r.Workload, nil, r.Workload, r.Direction, r.Local, r.Remote, r.Target, r.Protocol,
			r.State.State, r.State.ServiceAccount, r.State.UID)
	}
	s.names = slices.Compact(s.names)
	s.raw = s.raw[:0]
	for _, state := range proxyconfig.ZtunnelStates(d, filter.Namespace) {
		s.raw = append(s.raw, state.Raw)
	}
	return s, nil
}

func joinNonEmpty(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), separator)
}
