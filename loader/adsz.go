package loader

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// parseAdsz reads debug/adsz or debug/connections: {"totalClients":n,
// "clients":[...]}, or the bare array of Istio 1.0. The error tells of clients
// that could not be read; the value has all others.
func parseAdsz(raw []byte) ([]mesh.Connection, error) {
	list := raw
	if rawjson.New(raw, 0).Kind() == '{' {
		list = rawjson.Get(raw, "clients")
		if list == nil || string(list) == "null" {
			return nil, nil // nobody is connected
		}
	}
	var out []mesh.Connection
	err := eachObject(list, func(element []byte) error {
		c, err := adszClient(element)
		if c.ID != "" {
			out = append(out, c)
		}
		return err
	})
	if err != nil {
		return out, fmt.Errorf("reading debug/adsz: %w", err)
	}
	return out, nil
}

func adszClient(raw []byte) (mesh.Connection, error) {
	metadata := rawjson.Get(raw, "metadata")
	c := mesh.Connection{
		ID:           cmp.Or(rawjson.GetText(raw, "connection_id"), rawjson.GetText(raw, "node")),
		Address:      cmp.Or(rawjson.GetText(raw, "address"), rawjson.GetText(raw, "addr")),
		ConnectedAt:  connectTime(cmp.Or(rawjson.GetText(raw, "connected_at"), rawjson.GetText(raw, "connect"))),
		IstioVersion: rawjson.GetText(metadata, "ISTIO_VERSION"),
		ClusterID:    rawjson.GetText(metadata, "CLUSTER_ID"),
	}
	if c.ID == "" {
		return c, errors.New("expected a connectionId")
	}
	c.Proxy = proxyOfConnection(c.ID)
	watches := rawjson.Get(raw, "watches")
	if watches == nil {
		return c, nil
	}
	c.Watches = map[string][]string{}
	return c, eachMember(watches, func(url, names []byte) { c.Watches[string(url)] = texts(names) })
}

// proxyOfConnection drops the connection's number: "pod.namespace-12", or
// "sidecar~10.1.2.3~pod.namespace~domain-12" of Istio 1.0.
func proxyOfConnection(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		id = id[:i]
	}
	return proxyOfNode(id)
}

func connectTime(text string) time.Time {
	if t := parseTime(text); !t.IsZero() {
		return t
	}
	return nonceTime(text)
}

// texts are the strings of a JSON array.
func texts(raw []byte) []string {
	out := []string{}
	for _, element := range rawjson.Elements(raw) {
		if text, ok := rawjson.Unquote(element); ok {
			out = append(out, text)
		}
	}
	return out
}
