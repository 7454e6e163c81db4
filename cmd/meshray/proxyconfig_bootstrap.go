package main

import (
	"encoding/json"
	"fmt"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

func bootstrapView() configView {
	return configView{
		name: "bootstrap", aliases: []string{"b"}, usage: "the bootstrap: what the proxy was started with",
		kind: mesh.Bootstrap, formats: []string{jsonFormat, yamlFormat, shortFormat, tableFormat, wideFormat, nameFormat},
		answer: bootstrapAnswer,
	}
}

// lostBootstrap says what a dump has in place of its bootstrap.
func lostBootstrap(p *mesh.Proxy) string {
	if p.Whole(mesh.Bootstrap) {
		return "an empty bootstrap section"
	}
	return "no whole bootstrap: the dump breaks off in it"
}

func bootstrapAnswer(q query) (*answer, error) {
	a := &answer{documents: documents{single: true, list: []configDocument{bootstrapDocument(q.proxy)}}}
	if q.format == jsonFormat || q.format == yamlFormat || q.format == nameFormat {
		return a, nil
	}
	table, err := bootstrapTable(q)
	if err != nil {
		return nil, err
	}
	a.tables = []configTable{table}
	return a, nil
}

func bootstrapTable(q query) (configTable, error) {
	summary, err := proxyconfig.Bootstrap(q.proxy)
	if err != nil {
		return configTable{}, err
	}
	table := configTable{layout: layout{padding: 1}}
	lines := [][2]string{
		{"Istio Version:", summary.IstioVersion}, {"Istio Proxy Version:", summary.ProxyVersion}, {"Envoy Version:", summary.EnvoyVersion},
	}
	if q.wide() {
		lines = append(lines, [2]string{"Node ID:", summary.NodeID}, [2]string{"Node Cluster:", summary.Cluster})
	}
	for _, line := range lines {
		if line[1] != "" {
			table.add(nil, line[0], line[1])
		}
	}
	return table, nil
}

// bootstrapDocument is the bootstrap in its BootstrapConfigDump, as istioctl writes it.
func bootstrapDocument(p *mesh.Proxy) configDocument {
	r := p.Bootstrap
	return configDocument{
		name: "bootstrap/" + p.Name,
		raw:  wrapBootstrap(p),
		v3: func() ([]byte, error) {
			b, err := r.Bootstrap()
			if err != nil {
				return nil, err
			}
			dump := &adminv3.BootstrapConfigDump{Bootstrap: b}
			if !r.Updated.IsZero() {
				dump.LastUpdated = timestamppb.New(r.Updated)
			}
			return v3JSON(dump, nil)
		},
	}
}

// envoyTime is how Envoy writes last_updated.
const envoyTime = "2006-01-02T15:04:05.000Z"

func wrapBootstrap(p *mesh.Proxy) []byte {
	wrapper := struct {
		Type        string          `json:"@type,omitempty"`
		Bootstrap   json.RawMessage `json:"bootstrap"`
		LastUpdated string          `json:"last_updated,omitempty"`
	}{Bootstrap: rawjson.StripTrailingCommas(p.Bootstrap.Raw())}
	for _, section := range p.Sections {
		if section.Kind == mesh.Bootstrap {
			wrapper.Type = section.TypeURL
		}
	}
	if updated := p.Bootstrap.Updated; !updated.IsZero() {
		wrapper.LastUpdated = updated.UTC().Format(envoyTime)
	}
	raw, err := marshal(wrapper)
	if err != nil {
		return p.Bootstrap.Raw() // no valid JSON, which the printing of the document tells
	}
	return raw
}

func logView() configView {
	return configView{
		name: "log", aliases: []string{"o"}, usage: "the log levels that Envoy was started with",
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat},
		answer:  logAnswer,
	}
}

func logAnswer(q query) (*answer, error) {
	levels := proxyconfig.LogLevels(q.proxy)
	if len(levels) == 0 {
		return nil, fmt.Errorf("the capture does not tell the log levels of %s: it has no server_info, and the bootstrap has no annotation sidecar.istio.io/logLevel; this captures them: %s",
			q.proxy.Key(), mesh.AdminCommand(q.proxy, "server_info"))
	}
	table := configTable{layout: istioctlLayout(), header: []string{"LOGGER", "LEVEL", "FROM"}}
	a := &answer{notes: []string{"these are the levels that Envoy was started with; changes made at run time are in no capture"}}
	for _, level := range levels {
		logger := level.Logger
		if logger == "" {
			logger = "*"
		}
		table.add(nil, logger, level.Level, level.From)
		raw, err := marshal(struct {
			Logger string `json:"logger"`
			Level  string `json:"level"`
			From   string `json:"from"`
		}{logger, level.Level, level.From})
		if err != nil {
			return nil, err
		}
		a.documents.list = append(a.documents.list, configDocument{name: "log/" + logger, raw: raw, v3: func() ([]byte, error) { return raw, nil }})
	}
	a.tables = []configTable{table}
	return a, nil
}
