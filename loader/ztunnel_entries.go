package loader

import (
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

func readWorkload(_ string, raw []byte) *mesh.ZtunnelWorkload {
	w := &mesh.ZtunnelWorkload{Raw: raw}
	plain := map[string]*string{
		"uid": &w.UID, "name": &w.Name, "namespace": &w.Namespace, "hostname": &w.Hostname,
		"protocol": &w.Protocol, "status": &w.Status, "node": &w.Node, "network": &w.Network,
		"trust_domain": &w.TrustDomain, "service_account": &w.ServiceAccount,
		"workload_name": &w.WorkloadName, "workload_type": &w.WorkloadType,
		"canonical_name": &w.CanonicalName, "canonical_revision": &w.CanonicalRevision,
		"cluster_id": &w.ClusterID,
	}
	lists := map[string]*[]string{
		"workload_ips": &w.Addresses, "services": &w.Services, "authorization_policies": &w.Policies,
	}
	ztunnelFields(raw, func(key string, value []byte) {
		switch key {
		case "waypoint":
			w.Waypoint = readGateway(value)
		case "network_gateway":
			w.NetworkGateway = readGateway(value)
		default:
			assign(key, value, plain, lists)
		}
	})
	return w
}

// assign stores the value in the field of that name, if there is one.
func assign(key string, value []byte, plain map[string]*string, lists map[string]*[]string) {
	if field := plain[key]; field != nil {
		*field = looseText(value)
	}
	if list := lists[key]; list != nil {
		*list = looseTexts(value)
	}
}

// readGateway returns nil for null.
func readGateway(raw []byte) *mesh.ZtunnelGateway {
	if firstByte(raw) != '{' {
		if destination := looseText(raw); destination != "" {
			return &mesh.ZtunnelGateway{Destination: destination}
		}
		return nil
	}
	g := &mesh.ZtunnelGateway{}
	ztunnelFields(raw, func(key string, value []byte) {
		switch key {
		case "destination":
			g.Destination = gatewayDestination(value)
		case "port", "hbone_mtls_port":
			g.Port = looseNumber(value)
		}
	})
	return g
}

// gatewayDestination spells a destination written as an object like the others:
// "namespace/hostname".
func gatewayDestination(raw []byte) string {
	if hostname := rawjson.GetText(raw, "hostname"); hostname != "" {
		return rawjson.GetText(raw, "namespace") + "/" + hostname
	}
	return looseText(raw)
}

func readService(_ string, raw []byte) *mesh.ZtunnelService {
	s := &mesh.ZtunnelService{Raw: raw}
	plain := map[string]*string{
		"name": &s.Name, "namespace": &s.Namespace, "hostname": &s.Hostname, "ip_families": &s.IPFamilies,
	}
	lists := map[string]*[]string{"vips": &s.VIPs, "subject_alt_names": &s.SubjectAltNames}
	ztunnelFields(raw, func(key string, value []byte) {
		switch key {
		case "ports":
			s.Ports = ztunnelPorts(value)
		case "endpoints":
			s.Endpoints = readEndpoints(value)
		case "waypoint":
			s.Waypoint = readGateway(value)
		default:
			assign(key, value, plain, lists)
		}
	})
	return s
}

// readEndpoints reads a list, or a map by workload.
func readEndpoints(raw []byte) []mesh.ZtunnelEndpoint {
	var all []mesh.ZtunnelEndpoint
	if firstByte(raw) == '[' {
		for _, value := range rawjson.Elements(raw) {
			all = append(all, readEndpoint(value))
		}
		return all
	}
	_ = eachMember(raw, func(_, value []byte) { all = append(all, readEndpoint(value)) })
	return all
}

func readEndpoint(raw []byte) mesh.ZtunnelEndpoint {
	var e mesh.ZtunnelEndpoint
	plain := map[string]*string{"workload_uid": &e.WorkloadUID, "address": &e.Address, "status": &e.Status}
	ztunnelFields(raw, func(key string, value []byte) {
		if key == "port" {
			e.Ports = ztunnelPorts(value)
			return
		}
		assign(key, value, plain, nil)
	})
	return e
}

func readPolicy(_ string, raw []byte) *mesh.ZtunnelPolicy {
	p := &mesh.ZtunnelPolicy{Raw: raw}
	plain := map[string]*string{
		"name": &p.Name, "namespace": &p.Namespace, "scope": &p.Scope, "action": &p.Action,
	}
	ztunnelFields(raw, func(key string, value []byte) {
		if key == "rules" && firstByte(value) != 'n' {
			p.Rules = value
			return
		}
		assign(key, value, plain, nil)
	})
	return p
}

func readCertificate(_ string, raw []byte) *mesh.ZtunnelCertificate {
	c := &mesh.ZtunnelCertificate{Raw: raw}
	ztunnelFields(raw, func(key string, value []byte) {
		switch key {
		case "identity":
			c.Identity = looseText(value)
		case "state":
			c.State = looseText(value)
		case "cert_chain":
			c.Chain = readChain(value)
		case "root_certs", "root_cert":
			c.Roots = readChain(value)
		}
	})
	return c
}

func readChain(raw []byte) []mesh.ZtunnelX509 {
	var chain []mesh.ZtunnelX509
	for _, value := range rawjson.Elements(raw) {
		var x mesh.ZtunnelX509
		plain := map[string]*string{
			"pem": &x.PEM, "serial_number": &x.SerialNumber,
			"valid_from": &x.ValidFrom, "expiration_time": &x.ExpirationTime,
		}
		ztunnelFields(value, func(key string, value []byte) { assign(key, value, plain, nil) })
		chain = append(chain, x)
	}
	return chain
}

func readState(uid string, raw []byte) *mesh.ZtunnelState {
	s := &mesh.ZtunnelState{UID: uid, Raw: raw}
	info := map[string]*string{
		"name": &s.Name, "namespace": &s.Namespace,
		"trust_domain": &s.TrustDomain, "service_account": &s.ServiceAccount,
	}
	ztunnelFields(raw, func(key string, value []byte) {
		switch key {
		case "state":
			s.State = looseText(value)
		case "info":
			ztunnelFields(value, func(key string, value []byte) { assign(key, value, info, nil) })
		case "connections":
			s.Inbound = readConnections(rawjson.Get(value, "inbound"))
			s.Outbound = readConnections(rawjson.Get(value, "outbound"))
		}
	})
	return s
}

func readConnections(raw []byte) []mesh.ZtunnelConnection {
	var all []mesh.ZtunnelConnection
	for _, value := range rawjson.Elements(raw) {
		var c mesh.ZtunnelConnection
		plain := map[string]*string{
			"src": &c.Source, "original_dst": &c.OriginalDestination,
			"actual_dst": &c.ActualDestination, "protocol": &c.Protocol,
			// All that inbound connections had in older dumps.
			"dst": &c.ActualDestination,
		}
		ztunnelFields(value, func(key string, value []byte) { assign(key, value, plain, nil) })
		all = append(all, c)
	}
	return all
}
