package loader

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// parseClientConfig reads envoy.service.status.v3.ClientConfig messages: the
// DiscoveryResponses of type istio.io/debug/syncz that `istioctl proxy-status -o
// json` prints, one per istiod and several in a file, or the messages alone. The
// value has what could be read before or beside an error.
func parseClientConfig(raw []byte) ([]mesh.SyncStatus, error) {
	var out []mesh.SyncStatus
	var errs []error
	for at := 0; ; {
		end, err := rawjson.End(raw, at)
		if err != nil {
			errs = append(errs, err)
			break
		}
		statuses, err := clientConfigs(raw[at:end])
		out = append(out, statuses...)
		errs = append(errs, err)
		next := jsonStart(raw[end:])
		if next < 0 {
			break
		}
		at = end + next
	}
	if err := errors.Join(errs...); err != nil {
		return out, fmt.Errorf("reading xDS ClientConfig: %w", err)
	}
	return out, nil
}

// clientConfigs reads one document: a DiscoveryResponse, a ClientStatusResponse,
// an array of either's contents, or a single ClientConfig.
func clientConfigs(raw []byte) ([]mesh.SyncStatus, error) {
	s := rawjson.New(raw, 0)
	if s.Kind() == '[' {
		return clientConfigList(raw, "")
	}
	istiod := istiodID(rawjson.GetText(raw, "control_plane", "identifier"))
	for _, list := range []string{"resources", "config"} {
		if configs := rawjson.Get(raw, list); len(configs) > 0 && configs[0] == '[' {
			return clientConfigList(configs, istiod)
		}
	}
	status, err := clientConfig(raw, istiod)
	if err != nil {
		return nil, err
	}
	return []mesh.SyncStatus{status}, nil
}

func clientConfigList(raw []byte, istiod string) ([]mesh.SyncStatus, error) {
	var out []mesh.SyncStatus
	err := eachObject(raw, func(element []byte) error {
		if rawjson.Get(element, "resources") != nil { // a DiscoveryResponse in an array
			statuses, err := clientConfigs(element)
			out = append(out, statuses...)
			return err
		}
		status, err := clientConfig(element, istiod)
		if err == nil {
			out = append(out, status)
		}
		return err
	})
	return out, err
}

// istiodID reads control_plane.identifier, JSON in a string:
// {"Component":"istiod","ID":"istiod-5c4f-x2x2x","Info":{...}}.
func istiodID(identifier string) string { return rawjson.GetText([]byte(identifier), "ID") }

func clientConfig(raw []byte, istiod string) (mesh.SyncStatus, error) {
	node := rawjson.Get(raw, "node")
	metadata := rawjson.Get(node, "metadata")
	s := mesh.SyncStatus{
		Proxy:        proxyOfNode(rawjson.GetText(node, "id")),
		ClusterID:    rawjson.GetText(metadata, "CLUSTER_ID"),
		IstioVersion: rawjson.GetText(metadata, "ISTIO_VERSION"),
		Istiod:       istiod,
	}
	if s.Proxy == "" {
		return s, errors.New("expected a ClientConfig with a node id")
	}
	if kind, _, found := strings.Cut(rawjson.GetText(node, "id"), "~"); found {
		s.ProxyType = kind
	}
	for _, config := range rawjson.Elements(rawjson.Get(raw, "generic_xds_configs")) {
		s.Types = withType(s.Types, genericXdsConfig(config))
	}
	for _, config := range rawjson.Elements(rawjson.Get(raw, "xds_config")) {
		if ts, ok := perXdsConfig(config); ok {
			s.Types = withType(s.Types, ts)
		}
	}
	slices.SortStableFunc(s.Types, byColumn)
	return s, nil
}

// genericXdsConfig reads a ClientConfig.GenericXdsConfig. Its config_status is
// left out of the JSON where it is UNKNOWN, the default.
func genericXdsConfig(raw []byte) mesh.TypeSync {
	ts := typeSync(rawjson.GetText(raw, "type_url"))
	ts.Status = cmp.Or(rawjson.GetText(raw, "config_status"), "UNKNOWN")
	ts.SentAt = parseTime(rawjson.GetText(raw, "last_updated"))
	ts.LastError = rawjson.GetText(raw, "error_state", "details")
	return ts
}

// perXdsConfig reads a PerXdsConfig, which istiod sent up to Istio 1.23. What it
// is about is told by the member that it has.
func perXdsConfig(raw []byte) (mesh.TypeSync, bool) {
	for _, t := range xdsTypes {
		if t.perXds == "" || rawjson.Get(raw, t.perXds) == nil {
			continue
		}
		ts := typeSync(t.url)
		ts.Status = cmp.Or(rawjson.GetText(raw, "status"), "UNKNOWN")
		return ts, true
	}
	return mesh.TypeSync{}, false
}

// proxyOfNode is "pod.namespace" of a node id, "sidecar~10.1.2.3~pod.ns~domain",
// or the id itself.
func proxyOfNode(id string) string {
	if parts := strings.Split(id, "~"); len(parts) == 4 {
		return parts[2]
	}
	return id
}
