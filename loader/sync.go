package loader

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// xdsType is one of the xDS types that istiod serves.
type xdsType struct {
	short string
	url   string
	// field is the prefix of its members in debug/syncz, as in cluster_sent; empty
	// for the types that only "resources" shows.
	field string
	// perXds is its member of the deprecated PerXdsConfig.
	perXds string
}

const typePrefix = "type.googleapis.com/"

// xdsTypes begins with the types that have a column, in the order of the columns.
var xdsTypes = []xdsType{
	{"CDS", typePrefix + "envoy.config.cluster.v3.Cluster", "cluster", "cluster_config"},
	{"LDS", typePrefix + "envoy.config.listener.v3.Listener", "listener", "listener_config"},
	{"EDS", typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment", "endpoint", "endpoint_config"},
	{"RDS", typePrefix + "envoy.config.route.v3.RouteConfiguration", "route", "route_config"},
	{"ECDS", typePrefix + "envoy.config.core.v3.TypedExtensionConfig", "extensionconfig", ""},
	{"SDS", typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret", "", ""},
	{"NDS", typePrefix + "istio.networking.nds.v1.NameTable", "", ""},
	{"PCDS", typePrefix + "istio.mesh.v1alpha1.ProxyConfig", "", ""},
	{"WDS", typePrefix + "istio.workload.Address", "", ""},
	{"WDS", typePrefix + "istio.workload.Workload", "", ""},
	{"WADS", typePrefix + "istio.security.Authorization", "", ""},
}

// typeSync returns the empty state of a type; a type that nobody knows goes by
// its URL, as in istioctl.
func typeSync(url string) mesh.TypeSync {
	for _, t := range xdsTypes {
		if t.url == url {
			return mesh.TypeSync{Type: t.short, TypeURL: url, Percent: -1}
		}
	}
	return mesh.TypeSync{Type: url, TypeURL: url, Percent: -1}
}

// byColumn orders types as SyncStatus.Types promises.
func byColumn(a, b mesh.TypeSync) int {
	column := func(t mesh.TypeSync) int {
		for i, x := range xdsTypes {
			if x.field != "" && x.url == t.TypeURL {
				return i
			}
		}
		return len(xdsTypes)
	}
	return cmp.Or(cmp.Compare(column(a), column(b)), cmp.Compare(a.TypeURL, b.TypeURL))
}

// parseSyncz reads debug/syncz of any version since 1.0. The error tells of
// elements that could not be read; the value has all others.
func parseSyncz(raw []byte) ([]mesh.SyncStatus, error) {
	var out []mesh.SyncStatus
	var errs []error
	for at := 0; at >= 0 && at < len(raw); {
		end, err := rawjson.End(raw, at)
		if err != nil {
			end = len(raw)
		}
		errs = append(errs, eachObject(raw[at:end], func(element []byte) error {
			status, err := synczStatus(element)
			if status.Proxy != "" {
				out = append(out, status)
			}
			return err
		}))
		if at = jsonStart(raw[end:]); at >= 0 {
			at += end
		}
	}
	if err := errors.Join(errs...); err != nil {
		return out, fmt.Errorf("reading debug/syncz: %w", err)
	}
	return out, nil
}

func synczStatus(raw []byte) (mesh.SyncStatus, error) {
	s := mesh.SyncStatus{
		Proxy:        rawjson.GetText(raw, "proxy"),
		ClusterID:    rawjson.GetText(raw, "cluster_id"),
		ProxyType:    rawjson.GetText(raw, "proxy_type"),
		ProxyVersion: rawjson.GetText(raw, "proxy_version"),
		IstioVersion: rawjson.GetText(raw, "istio_version"),
	}
	if s.Proxy == "" {
		return s, errors.New(`expected a "proxy"`)
	}
	for _, t := range xdsTypes {
		if t.field == "" {
			continue
		}
		ts := typeSync(t.url)
		ts.Sent, ts.Acked = rawjson.GetText(raw, t.field+"_sent"), rawjson.GetText(raw, t.field+"_acked")
		if t.short == "EDS" {
			ts.Percent = percent(raw)
		}
		if ts.Sent != "" || ts.Acked != "" {
			ts.SentAt, ts.AckedAt = nonceTime(ts.Sent), nonceTime(ts.Acked)
			s.Types = append(s.Types, ts)
		}
	}
	var err error
	if resources := rawjson.Get(raw, "resources"); resources != nil {
		err = eachMember(resources, func(url, state []byte) {
			s.Types = withType(s.Types, synczResource(string(url), state))
		})
	}
	slices.SortStableFunc(s.Types, byColumn)
	return s, err
}

// synczResource reads one of "resources", which Istio 1.23 added: it has the
// exact time and the reason of a NACK.
func synczResource(url string, raw []byte) mesh.TypeSync {
	ts := typeSync(url)
	ts.Sent, ts.Acked = rawjson.GetText(raw, "sent"), rawjson.GetText(raw, "acked")
	ts.SentAt, ts.AckedAt = nonceTime(ts.Sent), nonceTime(ts.Acked)
	if at := parseTime(rawjson.GetText(raw, "sent_time")); !at.IsZero() {
		ts.SentAt = at
	}
	ts.LastError = rawjson.GetText(raw, "last_error")
	return ts
}

// withType adds ts, or replaces what the members of older versions said of it.
func withType(types []mesh.TypeSync, ts mesh.TypeSync) []mesh.TypeSync {
	for i := range types {
		if types[i].TypeURL == ts.TypeURL {
			ts.Percent = max(ts.Percent, types[i].Percent)
			types[i] = ts
			return types
		}
	}
	return append(types, ts)
}

func percent(raw []byte) int {
	n, err := strconv.Atoi(string(rawjson.Get(raw, "endpoint_percent")))
	if err != nil {
		return -1
	}
	return n
}

// goTime is how Go prints a time, which is what nonces were up to Istio 1.3.
const goTime = "2006-01-02 15:04:05.999999999 -0700 MST"

// nonceTime is the time in a nonce: "2009-11-10 23:00:00 +0000 UTC m=+0.01" up
// to Istio 1.3, "2026-11-22T07:29:13Z/uuid" today; zero for others.
func nonceTime(nonce string) time.Time {
	if text, _, found := strings.Cut(nonce, "/"); found {
		return parseTime(text)
	}
	text, _, _ := strings.Cut(nonce, " m=")
	t, err := time.Parse(goTime, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// parseTime reads RFC 3339; the zero time if text is something else.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// eachObject calls read for the objects in the array raw, passing over the empty
// ones that end arrays of Istio 1.0. It goes on after an element that cannot be
// read; the error joins them, up to a few.
func eachObject(raw []byte, read func(element []byte) error) error {
	s := rawjson.New(raw, 0)
	if s.Kind() != '[' || !s.Array() {
		return errors.New("expected an array of objects")
	}
	const reported = 5
	var errs []error
	for i := 0; s.Element(); i++ {
		element, ok := s.Value()
		if !ok {
			break
		}
		err := errors.New("expected an object")
		switch {
		case element[0] == '{' && emptyObject(element):
			continue
		case element[0] == '{':
			err = read(element)
		}
		if err != nil && len(errs) < reported {
			errs = append(errs, fmt.Errorf("element %d: %w", i, err))
		}
	}
	return errors.Join(append(errs, s.Err())...)
}

func emptyObject(raw []byte) bool {
	return strings.TrimSpace(string(raw[1:len(raw)-1])) == ""
}
