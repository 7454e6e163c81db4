package rules

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// registered is a service as istiod's registryz lists it.
type registered struct {
	// name is the object's: istiod has the host for it in the Name of a ServiceEntry.
	host, name, namespace string
	// registry is "Kubernetes" or "External".
	registry string
	// ports are the numbers with the protocol.
	ports map[string]string
	// exportTo are the namespaces that see it; empty for the default.
	exportTo []string
	// distribution is set where trafficDistribution orders the endpoints.
	distribution, nodeLocal bool
	from                    mesh.Source
}

// registeredServices reads registryz of all istiods, in their order.
func registeredServices(c *mesh.Capture) []registered {
	var out []registered
	for _, cp := range c.ControlPlanes {
		doc := cp.Debug["registryz"]
		registry, _ := doc.Get()
		for _, raw := range rawjson.Elements(registry) {
			s := registered{
				host: rawjson.GetText(raw, "hostname"), from: doc.Source, ports: map[string]string{},
				name: cmp.Or(rawjson.GetText(raw, "Attributes", "ObjectName"), rawjson.GetText(raw, "Attributes", "Name")), namespace: rawjson.GetText(raw, "Attributes", "Namespace"),
				registry:  rawjson.GetText(raw, "Attributes", "ServiceRegistry"),
				nodeLocal: string(rawjson.Get(raw, "Attributes", "NodeLocal")) == "true",
			}
			distribution := string(rawjson.Get(raw, "Attributes", "TrafficDistribution"))
			s.distribution = distribution != "" && distribution != "0" && distribution != "null"
			for _, port := range rawjson.Elements(rawjson.Get(raw, "ports")) {
				s.ports[string(rawjson.Get(port, "port"))] = rawjson.GetText(port, "protocol")
			}
			var exportTo map[string]json.RawMessage
			if json.Unmarshal(rawjson.Get(raw, "Attributes", "ExportTo"), &exportTo) == nil {
				for namespace := range exportTo {
					s.exportTo = append(s.exportTo, namespace)
				}
				slices.Sort(s.exportTo)
			}
			out = append(out, s)
		}
	}
	return out
}

// distributedServices are the hosts whose endpoints istiod puts in an order by
// itself; nil where the capture has no registry.
func distributedServices(c *mesh.Capture) map[string]bool {
	services := registeredServices(c)
	if len(services) == 0 {
		return nil
	}
	out := map[string]bool{}
	for _, s := range services {
		if s.distribution || s.nodeLocal {
			out[s.host] = true
		}
	}
	return out
}
