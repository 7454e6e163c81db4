package loader

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// parseZtunnel reads ztunnel's /config_dump. Sections are lists or, in older
// dumps, maps. What cannot be read is named in the error, together with the dump
// of all the rest.
func parseZtunnel(raw []byte) (*mesh.ZtunnelDump, error) {
	d := &mesh.ZtunnelDump{}
	var z ztunnelReader
	var version, config []byte
	z.members("", raw, func(key string, value []byte) {
		switch key {
		case "workloads":
			d.Workloads = entries(&z, key, value, readWorkload)
		case "services":
			d.Services = entries(&z, key, value, readService)
		case "policies":
			d.Policies = entries(&z, key, value, readPolicy)
		case "certificates":
			d.Certificates = entries(&z, key, value, readCertificate)
		case "workload_state":
			d.States = entries(&z, key, value, readState)
		case "config":
			config = value
		case "version":
			version = value
		}
	})
	if json.Valid(config) {
		d.Config = config
	}
	d.Node = rawjson.GetText(config, "local_node")
	d.Version = ztunnelVersion(version, config)
	return d, z.err()
}

// ztunnelVersion reads Istio's version out of two sections of a dump. Builds
// outside of a release do not know their own.
func ztunnelVersion(version, config []byte) string {
	if v := rawjson.GetText(version, "istio_version"); v != "" && v != "unknown" {
		return v
	}
	return rawjson.GetText(config, "proxy_metadata", "ISTIO_VERSION")
}

// ztunnelReader collects what could not be read.
type ztunnelReader struct {
	problems []error
	more     int
}

const ztunnelProblems = 10

func (z *ztunnelReader) problem(where, format string, args ...any) {
	if len(z.problems) == ztunnelProblems {
		z.more++
		return
	}
	z.problems = append(z.problems, fmt.Errorf("reading %s of the ztunnel dump: %w", where, fmt.Errorf(format, args...)))
}

func (z *ztunnelReader) err() error {
	if z.more > 0 {
		return errors.Join(append(z.problems, fmt.Errorf("and %d more entries that could not be read", z.more))...)
	}
	return errors.Join(z.problems...)
}

// members calls visit for the members of an object, with their keys in
// snake_case.
func (z *ztunnelReader) members(where string, raw []byte, visit func(key string, value []byte)) {
	if err := eachMember(raw, func(key, value []byte) { visit(snakeCase(key), value) }); err != nil {
		z.problem(cmp.Or(where, "the top level"), "%w", err)
	}
}

// entries reads the elements of a list, or the members of a map with their keys.
func entries[T any](z *ztunnelReader, section string, raw []byte, read func(key string, raw []byte) *T) []*T {
	var all []*T
	one := func(key, where string, value []byte) {
		value, ok := strictJSON(value)
		if !ok || value[0] != '{' {
			z.problem(section+"/"+where, "expected a JSON object, found %q", excerpt(value))
			return
		}
		all = append(all, read(key, value))
	}
	switch firstByte(raw) {
	case 'n':
	case '[':
		for i, value := range rawjson.Elements(raw) {
			one("", strconv.Itoa(i), value)
		}
	case '{':
		if err := eachMember(raw, func(key, value []byte) { one(string(key), string(key), value) }); err != nil {
			z.problem(section, "%w", err)
		}
	default:
		z.problem(section, "expected a list or a map, found %q", excerpt(raw))
	}
	return all
}

func eachMember(raw []byte, visit func(key, value []byte)) error {
	s := rawjson.New(raw, 0)
	if !s.Object() {
		return s.Err()
	}
	for {
		key, ok := s.Key()
		if !ok {
			return s.Err()
		}
		value, ok := s.Value()
		if !ok {
			return s.Err()
		}
		visit(key, value)
	}
}

// strictJSON returns raw as JSON that any reader takes.
func strictJSON(raw []byte) ([]byte, bool) {
	if json.Valid(raw) {
		return raw, true
	}
	clean := rawjson.StripTrailingCommas(raw)
	return clean, json.Valid(clean)
}

func firstByte(raw []byte) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// snakeCase spells a key as protos do: ztunnel writes camelCase.
func snakeCase(key []byte) string {
	if bytes.IndexFunc(key, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return string(key)
	}
	var b []byte
	for i, c := range key {
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b = append(b, '_')
			}
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// ztunnelFields is [eachMember] for an object that is known to be valid, with keys in
// snake_case; of anything else it visits nothing.
func ztunnelFields(raw []byte, visit func(key string, value []byte)) {
	_ = eachMember(raw, func(key, value []byte) { visit(snakeCase(key), value) })
}

// looseText reads a field whose type has changed between versions: a string, a number
// or boolean as its JSON text, and an enum with content as "Name: content".
func looseText(raw []byte) string {
	switch firstByte(raw) {
	case '"':
		s, _ := rawjson.Unquote(raw)
		return s
	case 'n', 0:
		return ""
	case '{':
		return enumText(raw)
	}
	return string(raw)
}

// enumText reads {"Unavailable": "reason"}, as Rust's serde writes enums.
func enumText(raw []byte) string {
	var name, content string
	n := 0
	fieldsOf := func(key, value []byte) {
		n++
		name = string(key)
		if content, _ = rawjson.Unquote(value); firstByte(value) != '"' {
			content = string(value)
		}
	}
	if err := eachMember(raw, fieldsOf); err != nil || n != 1 {
		return string(raw)
	}
	return name + ": " + content
}

// looseTexts reads a list of strings, or a single one.
func looseTexts(raw []byte) []string {
	if firstByte(raw) != '[' {
		if s := looseText(raw); s != "" {
			return []string{s}
		}
		return nil
	}
	var all []string
	for _, element := range rawjson.Elements(raw) {
		all = append(all, looseText(element))
	}
	return all
}

// looseNumber reads a number, or a string that holds one; 0 for anything else.
func looseNumber(raw []byte) int {
	n, err := strconv.Atoi(looseText(raw))
	if err != nil {
		return 0
	}
	return n
}

// ztunnelPorts reads {"80": 8080}.
func ztunnelPorts(raw []byte) []mesh.ZtunnelPort {
	var all []mesh.ZtunnelPort
	_ = eachMember(raw, func(key, value []byte) {
		service, err := strconv.Atoi(string(key))
		if err == nil {
			all = append(all, mesh.ZtunnelPort{Service: service, Target: looseNumber(value)})
		}
	})
	slices.SortStableFunc(all, func(a, b mesh.ZtunnelPort) int { return cmp.Compare(a.Service, b.Service) })
	return all
}

// ofZtunnel reports whether the members are of a ztunnel's dump, be it cut off behind the
// first of them. Of Envoy's /certs, certificates is the only one.
func (m members) ofZtunnel(name string) bool {
	if m.has("workloads", "services", "certificates") {
		return true
	}
	if debugEndpoint(name) != "" {
		return false // debug/ambientz has workloads, services and policies, too
	}
	named := path.Base(name) == "config_dump"
	switch {
	case m.has("certificates"):
		return named || m.has("config") || m.has("policies") || m.has("services") || m.has("workloads") || bytes.Contains(m["certificates"], []byte(`"identity"`))
	case m.has("workloads"):
		return named || m.has("services") || bytes.Contains(m["workloads"], []byte(`"workloadIps"`))
	}
	return false
}
