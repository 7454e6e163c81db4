package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/report"
)

// TestSchemas publishes the JSON Schema of every document that meshray defines
// in docs/schema, and holds what the commands print for the demo capture to it.
func TestSchemas(t *testing.T) {
	options := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[analyze.Severity](): {Type: "string", Enum: names(analyze.Severities())},
		reflect.TypeFor[request.Headers](): {Type: "object", AdditionalProperties: &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}},
		}},
	}}
	for _, tc := range []struct {
		name    string
		schema  func(*jsonschema.ForOptions) (*jsonschema.Schema, error)
		command []string
		capture string
	}{
		{"info", jsonschema.For[info], []string{"info", "-o", "json"}, "demo/capture.tar.gz"},
		{"lint", jsonschema.For[lintDocument], []string{"lint", "-o", "json"}, "demo/capture.tar.gz"},
		{"proxy-status", jsonschema.For[statusDocument], []string{"proxy-status", "-o", "json"}, "demo/capture.tar.gz"},
		{"proxy-status-difference", jsonschema.For[driftDocument], []string{"proxy-status", "productpage", "-o", "json"}, "bookinfo.tar.gz"},
		{"authz-check", jsonschema.For[authzDocument], []string{"authz", "check", "reviews", "-o", "json"}, "bookinfo.tar.gz"},
		{"authz-check-request", jsonschema.For[authzDecisionDocument], []string{"authz", "check", "reviews", "http://reviews:9080/", "-H", "x-team: a", "-o", "json"}, "bookinfo.tar.gz"},
		{"trace-all-from", jsonschema.For[reachDocument], []string{"trace", "--all-from", "productpage", "-o", "json"}, "bookinfo.tar.gz"},
		{"trace-to", jsonschema.For[reachFromDocument], []string{"trace", "--to", "reviews", "-o", "json"}, "bookinfo.tar.gz"},
		{"trace", jsonschema.For[traceDocument], []string{"trace", "-o", "json", "productpage", "http://reviews:9080/reviews/1"}, "bookinfo.tar.gz"},
		{"trace-access-log", jsonschema.For[logDocument], []string{"trace", "-o", "json", "productpage", "--access-log", "../../fixtures/expect/access.log"}, "bookinfo.tar.gz"},
		{"test", jsonschema.For[testDocument], []string{"test", "-o", "json", "../../fixtures/expect/bookinfo.yaml"}, "bookinfo.tar.gz"},
		{"report", jsonschema.For[report.Document], []string{"report", "-o", "-", "--format", "json"}, "demo/capture.tar.gz"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			schema, err := tc.schema(options)
			if err != nil {
				t.Fatal(err)
			}
			publish(schema, "meshray "+strings.ReplaceAll(strings.Join(tc.command, " "), "../../", ""))
			text, err := json.MarshalIndent(schema, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			fixtures.Golden(t, filepath.Join(fixtures.Root(t), "docs", "schema", tc.name+".json"), append(text, '\n'))
			resolved, err := schema.Resolve(nil)
			if err != nil {
				t.Fatal(err)
			}
			var printed any
			if err := json.Unmarshal(printedFor(t, tc.command, tc.capture), &printed); err != nil {
				t.Fatal(err)
			}
			if err := resolved.Validate(printed); err != nil {
				t.Errorf("what %v prints does not fit its schema: %v", tc.command, err)
			}
		})
	}
}

func names(texts []string) []any {
	var out []any
	for _, text := range texts {
		out = append(out, text)
	}
	return out
}

// publish completes a schema made from a Go type: documents carry their version,
// and later versions of meshray may add fields.
func publish(schema *jsonschema.Schema, title string) {
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	schema.Title = title
	if schema.Properties["schemaVersion"] == nil {
		schema.Properties["schemaVersion"] = &jsonschema.Schema{Type: "integer"}
		schema.Required = append(schema.Required, "schemaVersion")
		schema.PropertyOrder = slices.Insert(schema.PropertyOrder, 0, "schemaVersion")
	}
	allowMore(schema)
}

func allowMore(schema *jsonschema.Schema) {
	if schema == nil {
		return
	}
	if len(schema.Properties) > 0 {
		schema.AdditionalProperties = nil
	}
	for _, property := range schema.Properties {
		allowMore(property)
	}
	allowMore(schema.Items)
	if len(schema.Properties) == 0 {
		allowMore(schema.AdditionalProperties)
	}
}

// printedFor runs a command on a capture of the repository. Findings are no
// trouble here.
func printedFor(t *testing.T, command []string, capture string) []byte {
	t.Helper()
	file := filepath.Join(fixtures.Root(t), "fixtures", capture)
	var out, errs bytes.Buffer
	args := append([]string{"meshray"}, append(slices.Clone(command), "-f", file)...)
	if code := run(args, strings.NewReader(""), &out, &errs); code == exitTrouble {
		t.Fatalf("%v: %s", args, errs.Bytes())
	}
	return out.Bytes()
}
