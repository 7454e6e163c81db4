package xds

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// droppedForGood are the v2 fields that v3 dropped and that no rule carries over, with the reason.
var droppedForGood = map[protoreflect.FullName]string{
	"envoy.admin.v2alpha.CommandLineOptions.max_obj_name_len":            "an option of a command line that no Envoy has any more",
	"envoy.admin.v2alpha.CommandLineOptions.max_stats":                   "an option of a command line that no Envoy has any more",
	"envoy.api.v2.auth.CertificateValidationContext.require_ocsp_staple": "never implemented",
	"envoy.api.v2.core.Node.build_version":                               "superseded by user_agent_build_version; the capture keeps the text",
	"envoy.api.v2.listener.UdpListenerConfig.config":                     "there was one UDP listener, which v3 does not name",
	"envoy.api.v2.listener.UdpListenerConfig.typed_config":               "there was one UDP listener, which v3 does not name",
	"envoy.api.v2.listener.UdpListenerConfig.udp_listener_name":          "there was one UDP listener, which v3 does not name",
	"envoy.config.filter.http.ext_authz.v2.ExtAuthz.use_alpha":           "chose between two gRPC services that v3 has neither of",
	"envoy.config.filter.fault.v2.FaultDelay.type":                       "FIXED is the only type",
	"envoy.data.tap.v2alpha.Connection.remote_address":                   "trace data, not configuration",
}

// TestCarryRulesAreComplete holds the rules to the descriptors: no field of v2 goes lost unnoticed.
func TestCarryRulesAreComplete(t *testing.T) {
	g := loadGenerations()
	if len(g.next) < 400 {
		t.Fatalf("got %d messages with a v2 form, want at least 400", len(g.next))
	}
	reasons := 0
	for name, next := range g.next {
		fields := g.previous[next.FullName()].Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if next.Fields().ByNumber(fd.Number()) != nil {
				continue
			}
			if _, ok := droppedForGood[fd.FullName()]; ok {
				reasons++
				continue
			}
			_, rule := carryRules[next.FullName()]
			_, point := extensionPoints[next.FullName()]
			if !rule && !point {
				t.Errorf("%s: got no rule for %s, want one or a reason to drop it", name, fd.FullName())
			}
		}
	}
	if reasons != len(droppedForGood) {
		t.Errorf("got %d dropped fields with a reason, want %d: a reason names no dropped field", reasons, len(droppedForGood))
	}
}

// TestHomonyms notices a v3 field that takes the name of a v2 field with another number, as host_rewrite did.
func TestHomonyms(t *testing.T) {
	known := map[protoreflect.FullName]bool{
		"envoy.config.route.v3.RouteAction.host_rewrite": true, // carryRouteAction
		"envoy.data.tap.v3.Connection.local_address":     true, // trace data
		"envoy.data.tap.v3.Connection.remote_address":    true,
	}
	for _, next := range loadGenerations().next {
		fields := loadGenerations().previous[next.FullName()].Fields()
		for i := range fields.Len() {
			fd := next.Fields().ByJSONName(fields.Get(i).JSONName())
			if fd != nil && fd.Number() != fields.Get(i).Number() && !known[fd.FullName()] {
				t.Errorf("%s has the name of the v2 field %s but not its number: want a rule", fd.FullName(), fields.Get(i).FullName())
			}
		}
	}
}

func TestTablesNameRealMessages(t *testing.T) {
	want := func(name string) {
		t.Helper()
		if _, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name)); err != nil {
			t.Errorf("message %s: got %v, want it registered", name, err)
		}
	}
	for name := range carryRules {
		want(string(name))
	}
	for name, point := range extensionPoints {
		want(string(name))
		for _, row := range point.rows {
			if row.typeName != "" {
				want(point.types + row.typeName)
			}
			if row.perRoute != "" {
				want(point.types + row.perRoute)
			}
		}
	}
	for name := range renamedEnumValues {
		if _, err := protoregistry.GlobalTypes.FindEnumByName(name); err != nil {
			t.Errorf("enum %s: got %v, want it registered", name, err)
		}
	}
}

// TestEveryExtension decodes each row by both of its names.
func TestEveryExtension(t *testing.T) {
	for owner, point := range extensionPoints {
		for _, row := range point.rows {
			for _, name := range []string{point.names + row.name, row.legacyName} {
				if name == "" || row.typeName == "" {
					continue
				}
				o, err := upgradeAny(object{"@type": urlOf(owner), "name": name, "config": object{}})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				got := o.(object)
				config, _ := got["typed_config"].(object)
				if got["name"] != point.names+row.name || config["@type"] != urlOf(protoreflect.FullName(point.types+row.typeName)) {
					t.Errorf("%s in %s: got %v, want its canonical name and v3 type", name, owner, got)
				}
			}
		}
	}
}
