package loader

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// dump is one config_dump of a file, or what stands for one: a bootstrap, or
// the arrays that istioctl proxy-config prints.
type dump struct {
	config *mesh.Config
	node   node
	newest time.Time
	asked  bool // see index
	// wrapper is the JSON pointer of a dump inside an object, "/default/eg".
	wrapper string
}

// pilots reports whether the dump is istiod's view of a proxy: istiod knows
// neither the bootstrap nor static resources, nor when Envoy applied anything.
func (d *dump) pilots() bool {
	c := d.config
	if d.asked || c.Bootstrap != nil || !d.newest.IsZero() || c.Has(mesh.Bootstrap) && len(c.Sections) == 1 {
		return false
	}
	dynamic := false
	for _, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret} {
		for _, r := range c.Resources(kind) {
			if r.Origin == mesh.Static {
				return false
			}
			dynamic = true
		}
	}
	return dynamic
}

// openDumps indexes every JSON document of the file.
func (f *file) openDumps(contents *store) (kept bool) {
	at := f.at
	for n := 1; ; n++ {
		end, k := f.openDocument(contents, at)
		kept = kept || k
		if end < 0 {
			return kept
		}
		rest := bytes.TrimLeft(f.buf[end:], " \t\r\n\x00")
		if len(rest) == 0 && n > 1 {
			f.problem(0, "the file has several JSON documents; all were read")
		}
		if len(rest) == 0 {
			return kept
		}
		next := jsonStart(rest)
		if next < 0 {
			f.problem(0, "%d bytes of text behind the JSON were passed over: %q", len(rest), excerpt(rest))
			return kept
		}
		at = len(f.buf) - len(rest) + next
	}
}

// openDocument indexes the document at offset at and returns where it ends; -1
// if the text ends first.
func (f *file) openDocument(contents *store, at int) (end int, kept bool) {
	shape := sniffJSON(f.input.Path, f.buf, at)
	switch {
	case shape.wrapped:
		return f.openWrapped(contents, at)
	case shape.section:
		return f.finish(contents, at, "", func(x *index) error {
			x.section("")
			return x.scan.Err()
		})
	case shape.kind == mesh.KindConfigDump:
		return f.finish(contents, at, "", func(x *index) error { return x.dump("") })
	case shape.kind == mesh.KindResources:
		return f.finish(contents, at, "", func(x *index) error { return x.array(shape.resource) })
	case shape.kind == mesh.KindBootstrap:
		return f.finish(contents, at, "", func(x *index) error { return x.whole(mesh.Bootstrap) })
	}
	return -1, f.another(contents, at)
}

// openWrapped walks {"namespace": {"name": {"configs": ...}}}.
func (f *file) openWrapped(contents *store, at int) (end int, kept bool) {
	type level struct {
		scan    *rawjson.Scanner
		pointer string
	}
	end, err := rawjson.End(f.buf, at)
	levels := []level{{rawjson.New(f.buf, at), ""}}
	for len(levels) > 0 {
		l := levels[len(levels)-1]
		levels = levels[:len(levels)-1]
		for l.scan.Object(); ; {
			key, ok := l.scan.Key()
			if !ok {
				break
			}
			pointer, start := l.pointer+"/"+escapePointer(key), l.scan.Offset()
			value, ok := l.scan.Value()
			switch {
			case isDump(value):
				_, k := f.finish(contents, start, pointer, func(x *index) error { return x.dump(pointer) })
				kept = kept || k
			case ok && strings.Count(pointer, "/") < 3 && value[0] == '{':
				levels = append(levels, level{rawjson.New(f.buf, start), pointer})
			}
		}
	}
	if err != nil {
		f.damaged(len(f.buf), err.Error())
		return -1, kept
	}
	return end, kept
}

func isDump(value []byte) bool {
	s := rawjson.New(value, 0)
	if s.Kind() != '{' || !s.Object() {
		return false
	}
	key, _ := s.Key()
	return string(key) == "configs"
}

// walk has the index read the document at offset at: by its indentation first,
// and exactly where that does not come out even.
func (f *file) walk(at int, read func(*index) error) (*index, error) {
	x := newIndex(f.input.Path, f.buf, at)
	err := read(x)
	if err == nil && !leftOver(f.buf[x.scan.Offset():]) {
		return x, nil
	}
	x = newIndex(f.input.Path, f.buf, at)
	x.scan = rawjson.New(f.buf, at)
	return x, read(x)
}

// leftOver reports whether a document goes on behind what was taken for its end.
// A wrapped dump is followed by its wrapper, which is one pass in vain.
func leftOver(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && strings.IndexByte(",]}", rest[0]) >= 0
}

// finish indexes the document at offset at, binds what was found and records
// damage. It returns where the document ends; -1 if the text ends first.
func (f *file) finish(contents *store, at int, wrapper string, read func(*index) error) (end int, kept bool) {
	x, err := f.walk(at, read)
	end = x.scan.Offset()
	if err != nil {
		f.damaged(damagedAt(f.buf, err), x.damage(err))
		end = -1
	}
	kept = x.bind(contents)
	f.foreign(x)
	d := &dump{config: &x.config, newest: x.newest, asked: x.asked, wrapper: wrapper}
	if b := x.config.Bootstrap; b != nil {
		d.node = readNode(b.Raw())
	}
	f.dumps = append(f.dumps, d)
	return end, kept
}

// damagedAt is the offset of the damage that a scanner error tells of.
func damagedAt(buf []byte, err error) int {
	var syntax *rawjson.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Offset
	}
	return len(buf)
}

// damage says what broke off and what was saved.
func (x *index) damage(err error) string {
	lost := "between two resources"
	if x.inside != "" {
		lost = "within " + string(x.inside)
	}
	if x.insideName != "" {
		lost += " " + strconv.Quote(x.insideName)
	}
	what := err.Error()
	if rawjson.Truncated(err) {
		what = "the JSON is cut off"
	}
	return fmt.Sprintf("%s %s; %d resources before it were read", what, lost, len(x.resources))
}

// array reads what istioctl proxy-config -o json prints: an array of resources,
// or a single one.
func (x *index) array(kind mesh.ResourceKind) error {
	list := entryList{kind: kind, origin: mesh.Dynamic, state: mesh.Active}
	section := mesh.Section{Kind: kind, Source: x.source(x.scan.Offset(), "", -1, "")}
	if x.scan.Kind() == '[' {
		i := 0
		for x.scan.Array(); x.scan.Element(); i++ {
			x.resource(list, "", i, "")
		}
	} else {
		x.resource(list, "", -1, "")
	}
	section.Count, section.Cut = len(x.resources), x.scan.Err() != nil
	x.config.Sections = append(x.config.Sections, section)
	return x.scan.Err()
}

// whole reads a file that is one resource.
func (x *index) whole(kind mesh.ResourceKind) error {
	section := mesh.Section{Kind: kind, Count: 1, Source: x.source(x.scan.Offset(), "", -1, "")}
	x.resource(entryList{kind: kind, origin: mesh.Static, state: mesh.Active}, "", -1, "")
	x.config.Sections = append(x.config.Sections, section)
	return x.scan.Err()
}

// openYAML indexes a bootstrap, a dump or resources that were saved as YAML.
// Places in it are those of the JSON that it stands for.
func (f *file) openYAML(contents *store, content []byte) {
	text, err := yamlToJSON(content)
	if err != nil {
		f.damaged(0, fmt.Sprintf("no valid YAML: %v", err))
		return
	}
	yaml := f.buf
	f.buf = text
	f.sniffed = sniffJSON(f.input.Path, text, 0)
	f.input.Kind = f.kind
	f.json = true
	switch {
	case dumpKinds[f.kind]:
		f.openDumps(contents)
	case f.kind == mesh.KindUnknown:
		f.unknown()
	default:
		f.raw, _ = contents.file(text)
	}
	f.buf = yaml
}

// wholeJSON returns the JSON document that content begins with. Of a document
// that is cut off it returns what can be saved, and records the damage. Other
// documents behind it are opened, too; kept tells whether buf is referred to then.
func (f *file) wholeJSON(contents *store, content []byte) (whole []byte, kept bool) {
	end, err := rawjson.End(content, 0)
	if err != nil {
		saved, n := rawjson.Salvage(content)
		f.damaged(len(f.buf)-len(content)+damagedAt(content, err), fmt.Sprintf("the JSON is cut off; %d elements before the cut were read", n))
		return saved, false
	}
	if at := foreignLine(content[:end]); at >= 0 && !jsonLines[f.kind] {
		f.damaged(len(f.buf)-len(content)+at, fmt.Sprintf("text that is no JSON in the middle of it: %q", excerpt(lineAt(content, at))))
	}
	alone, kept := f.behind(contents, content, end)
	if alone {
		return content[:end], kept
	}
	return content, kept
}

// ignorable says why a file whose content is no capture is no loss; "" if it may
// be one.
func ignorable(name string, data []byte) string {
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	switch text := strings.TrimSpace(string(data[:min(len(data), 64)])); {
	case strings.HasPrefix(text, "admin commands are:"), strings.HasPrefix(text, "Mutex contention tracing"):
		return "an admin page that says nothing of the configuration"
	case base == "ready" || base == "hot_restart_version" || base == "DUMP_TIME" || base == "version":
		return fmt.Sprintf("says only %q", text)
	case strings.EqualFold(base, "readme"), strings.EqualFold(path.Ext(name), ".md"):
		return "documentation"
	}
	return ""
}

const excerptBytes = 60

// excerpt is the beginning of data for a message.
func excerpt(data []byte) string {
	text := strings.ToValidUTF8(string(data[:min(len(data), excerptBytes)]), "\uFFFD")
	if len(data) > excerptBytes {
		text += "..."
	}
	return text
}
