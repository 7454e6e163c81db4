package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

// The values of --api.
const (
	apiCaptured = "captured"
	apiV3       = "v3"
)

func apiFlag() cli.Flag {
	return choiceFlag(&cli.StringFlag{
		Name: "api", Category: outputCategory, Usage: "write resources in JSON and YAML as Envoy's `API`",
	}, apiCaptured, apiV3)
}

// configDocument is one JSON value of a capture.
type configDocument struct {
	// name is what -o name prints, such as cluster/xds-grpc.
	name string
	raw  []byte
	// v3 returns the same in protojson of Envoy's API v3.
	v3 func() ([]byte, error)
}

// documents are the JSON of an answer: an array, or a single value.
type documents struct {
	list   []configDocument
	single bool
}

// resourceDocuments are the resources as captured, each once however many rows it has.
func resourceDocuments(resources []*mesh.Resource) documents {
	var docs documents
	seen := map[*mesh.Resource]bool{}
	for _, r := range resources {
		if r == nil || seen[r] {
			continue
		}
		seen[r] = true
		docs.list = append(docs.list, configDocument{name: string(r.Kind) + "/" + r.Name(), raw: r.Raw(), v3: func() ([]byte, error) { return v3JSON(r.Message()) }})
	}
	return docs
}

func v3JSON(m proto.Message, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return xds.JSON(m, "")
}

// text returns the document's JSON without the trailing commas that bootstraps may have.
func (d configDocument) text(v3 bool) ([]byte, error) {
	if v3 {
		return d.v3()
	}
	if d.raw == nil {
		return nil, fmt.Errorf("its configuration is %w", mesh.ErrNotCaptured)
	}
	raw := rawjson.StripTrailingCommas(d.raw)
	if !json.Valid(raw) {
		return nil, fmt.Errorf("its text is no valid JSON")
	}
	return raw, nil
}

// write prints the documents one by one, because a capture may hold hundreds of megabytes. What
// cannot be printed is left out and told in notes.
func (d documents) write(w io.Writer, format string, v3 bool) (notes []string, err error) {
	out := &documentWriter{w: w, yaml: format == yamlFormat, single: d.single}
	for _, doc := range d.list {
		text, err := doc.text(v3)
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s is left out: %v", doc.name, err))
			continue
		}
		if err := out.add(text); err != nil {
			return notes, err
		}
	}
	return notes, out.close()
}

// writeNames prints one line for each name.
func (d documents) writeNames(w io.Writer) error {
	seen := map[string]bool{}
	for _, doc := range d.list {
		if seen[doc.name] {
			continue
		}
		seen[doc.name] = true
		if _, err := fmt.Fprintln(w, sanitize(doc.name)); err != nil {
			return err
		}
	}
	return nil
}

// documentWriter prints JSON values as an array, indented by four spaces as istioctl does, or as a
// YAML list.
type documentWriter struct {
	w            io.Writer
	yaml, single bool
	count        int
}

func (o *documentWriter) add(text []byte) error {
	o.count++
	if o.yaml {
		if o.single {
			return writeYAML(o.w, json.RawMessage(text))
		}
		return writeYAML(o.w, []json.RawMessage{text})
	}
	const indent = "    "
	prefix, before := indent, ",\n"+indent
	switch {
	case o.single:
		prefix, before = "", ""
	case o.count == 1:
		before = "[\n" + indent
	}
	b := bytes.NewBufferString(before)
	if err := json.Indent(b, text, prefix, indent); err != nil {
		return err
	}
	_, err := o.w.Write(escapeInvisible(b.Bytes(), jsonEscape))
	return err
}

func (o *documentWriter) close() error {
	end := "\n]\n"
	switch {
	case o.count == 0 && !o.single:
		end = "[]\n"
	case o.yaml:
		return nil
	case o.single:
		end = "\n"
	}
	_, err := io.WriteString(o.w, end)
	return err
}
