package match

import (
	"net/netip"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// Metadata is a compiled envoy.type.matcher.v3.MetadataMatcher.
type Metadata struct {
	filter    string
	path      []string
	value     *Value
	invert    bool
	condition string
	want      string
}

// CompileMetadata prepares a MetadataMatcher; condition names the metadata that
// it is asked of, such as "dynamic_metadata".
func CompileMetadata(condition string, m *matcherv3.MetadataMatcher) *Metadata {
	c := &Metadata{filter: m.GetFilter(), value: CompileValue(m.GetValue()), invert: m.GetInvert()}
	for _, segment := range m.GetPath() {
		c.path = append(c.path, segment.GetKey())
	}
	c.condition = strings.Join(append([]string{condition + " " + c.filter}, c.path...), ".")
	c.want = c.value.want
	if c.invert {
		c.want = "not " + c.want
	}
	return c
}

// Want is the condition on the value in words.
func (m *Metadata) Want() string { return m.want }

// Got is the value that the path leads to, as Result.Got shows it.
func (m *Metadata) Got(metadata map[string]*structpb.Struct) string {
	return valueText(valueAt(metadata[m.filter], m.path))
}

// Match answers for the metadata that is known, by filter name. Metadata of a
// filter that is not among it makes the answer Unknown: the filter may set it.
func (m *Metadata) Match(metadata map[string]*structpb.Struct) Result {
	known, ok := metadata[m.filter]
	if !ok {
		return Unmodelled(m.condition, "what the filters set while the request runs is not in a capture")
	}
	value := valueAt(known, m.path)
	o := m.value.test(value)
	if m.invert {
		o = o.not()
	}
	switch o {
	case Yes:
		return Matched
	case Unknown:
		return Unmodelled(m.condition, m.want)
	}
	return missed(m.condition, m.want, valueText(value))
}

// valueAt is the value that a path of keys leads to, or nil.
func valueAt(s *structpb.Struct, path []string) *structpb.Value {
	var value *structpb.Value
	for _, key := range path {
		if s == nil {
			return nil
		}
		value = s.GetFields()[key]
		s = value.GetStructValue()
	}
	return value
}

// FilterState is a compiled envoy.type.matcher.v3.FilterStateMatcher.
type FilterState struct {
	key, condition string
	value          *String  // nil where the object is an address
	prefixes       Prefixes // for an address
	invert         bool     // of address_match
	want           string
}

// CompileFilterState prepares a FilterStateMatcher.
func CompileFilterState(m *matcherv3.FilterStateMatcher) *FilterState {
	f := &FilterState{key: m.GetKey(), condition: "filter_state " + m.GetKey()}
	address := m.GetAddressMatch()
	if address == nil {
		f.value = CompileString(m.GetStringMatch())
		f.want = f.value.want
		return f
	}
	f.prefixes, f.invert = CompilePrefixes(address.GetRanges()), address.GetInvertMatch()
	f.want = "an address in " + f.prefixes.String()
	if f.invert {
		f.want = "an address outside " + f.prefixes.String()
	}
	return f
}

// Want is the condition on the object in words.
func (f *FilterState) Want() string { return f.want }

// Match answers for the objects that are known. One that is not among them makes
// the answer Unknown.
func (f *FilterState) Match(objects map[string]string) Result {
	object, ok := objects[f.key]
	if !ok {
		return Unmodelled(f.condition, "what the filters set while the request runs is not in a capture")
	}
	if f.value != nil {
		return f.value.match(f.condition, object)
	}
	addr, ok := parseAddress(object)
	if ok && f.prefixes.Contain(addr) != f.invert {
		return Matched
	}
	return missed(f.condition, f.want, object)
}

// parseAddress reads an IP address with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr, true
	}
	port, err := netip.ParseAddrPort(text)
	return port.Addr(), err == nil
}
