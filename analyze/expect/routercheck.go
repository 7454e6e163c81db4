package expect

import (
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze/request"
)

// RouterTest is one test of Envoy's router_check_tool, an
// envoy.RouterCheckToolSchema.ValidationItem.
type RouterTest struct {
	Name     string
	Line     int // in the file, from 1
	Input    RouterInput
	Validate RouterAssert
}

// RouterInput is envoy.RouterCheckToolSchema.ValidationInput.
type RouterInput struct {
	Authority, Path, Method string
	// Random is random_value, which the tool takes as 0 where it is not given.
	Random uint64
	// SSL sets x-forwarded-proto to https, Internal sets x-envoy-internal.
	SSL, Internal bool
	// Runtime is the key of the one runtime setting that is on.
	Runtime                         string
	RequestHeaders, ResponseHeaders request.Headers // additional ones
	// Metadata is the dynamic metadata by filter name.
	Metadata map[string]*structpb.Struct
}

// Request is what the tool sends: it has no address and no connection.
func (i *RouterInput) Request() request.Request {
	r := request.Request{Method: i.Method, Scheme: "http", Authority: i.Authority, Path: i.Path, Random: &i.Random}
	if i.SSL {
		r.Scheme = "https"
	}
	r.Headers = append(r.Headers, request.Header{Name: "x-forwarded-proto", Value: r.Scheme})
	if i.Internal {
		r.Headers = append(r.Headers, request.Header{Name: "x-envoy-internal", Value: "true"})
	}
	r.Headers = append(r.Headers, i.RequestHeaders...)
	return r
}

// RouterAssert is envoy.RouterCheckToolSchema.ValidationAssert; what is nil is not
// compared, and an empty string wants that there is none.
type RouterAssert struct {
	Cluster, VirtualCluster, VirtualHost *string
	// HostRewrite and PathRewrite are :authority and :path after the rewrite, which
	// for a route without one are the request's own.
	HostRewrite, PathRewrite *string
	// PathRedirect is the location of a redirect; that of a direct response is the
	// request's own URL. CodeRedirect is the status of either, 0 where there is none.
	PathRedirect *string
	CodeRedirect *int
	// RequestFields and ResponseFields are exact values, of headers that are absent
	// where the value is empty.
	RequestFields, ResponseFields   request.Headers
	RequestMatches, ResponseMatches []*routev3.HeaderMatcher
	Timeout                         *time.Duration // of the route
	RouteMetadata                   []RouteMetadata
}

// RouteMetadata is a value in the metadata of the route.
type RouteMetadata struct{ Namespace, Key, Value string }

// ReadRouterCheck reads the tests of a file of router_check_tool, YAML or JSON
// (envoy.RouterCheckToolSchema.Validation). File names it in errors, which are
// [FileError]s; a field that is not known is one.
func ReadRouterCheck(data []byte, file string) ([]RouterTest, error) {
	root, err := parseNodes(data, file)
	if err != nil {
		return nil, err
	}
	r := &reader{file: file}
	if root == nil {
		return nil, r.fail(&yaml.Node{Line: 1}, "expected a list of tests")
	}
	var tests []RouterTest
	err = r.object(root, "the file", fields{"tests": func(n *yaml.Node) error {
		return r.list(n, "tests", func(n *yaml.Node) error {
			test, err := r.routerTest(n)
			tests = append(tests, test)
			return err
		})
	}})
	if err != nil {
		return nil, err
	}
	if len(tests) == 0 {
		return nil, r.fail(root, "expected at least one test in tests")
	}
	return tests, nil
}

func (r *reader) routerTest(n *yaml.Node) (RouterTest, error) {
	test := RouterTest{Line: n.Line, Input: RouterInput{Method: "GET"}}
	asserts := false
	err := r.object(n, "the test", fields{
		"test_name": r.text(&test.Name, "test_name"),
		"input":     func(n *yaml.Node) error { return r.routerInput(n, &test.Input) },
		"validate": func(n *yaml.Node) error {
			asserts = true
			return r.routerAssert(n, &test.Validate)
		},
	})
	switch {
	case err != nil:
		return test, err
	case test.Name == "":
		return test, r.fail(n, "expected the test to have a test_name")
	case test.Input.Authority == "" || test.Input.Path == "":
		return test, r.fail(n, "test %q: expected an input with authority and path", test.Name)
	case !asserts:
		return test, r.fail(n, "test %q: expected validate to say what to compare", test.Name)
	}
	return test, nil
}

func (r *reader) routerInput(n *yaml.Node, in *RouterInput) error {
	return r.object(n, "input", fields{
		"authority":                   r.text(&in.Authority, "authority"),
		"path":                        r.text(&in.Path, "path"),
		"method":                      r.text(&in.Method, "method"),
		"random_value":                r.unsigned(&in.Random, "random_value"),
		"ssl":                         r.flag(&in.SSL, "ssl"),
		"internal":                    r.flag(&in.Internal, "internal"),
		"runtime":                     r.text(&in.Runtime, "runtime"),
		"additional_headers":          r.headerValues(&in.RequestHeaders, "additional_headers"), // before Envoy 1.14
		"additional_request_headers":  r.headerValues(&in.RequestHeaders, "additional_request_headers"),
		"additional_response_headers": r.headerValues(&in.ResponseHeaders, "additional_response_headers"),
		"dynamic_metadata":            func(n *yaml.Node) error { return r.dynamicMetadata(n, in) },
	})
}

func (r *reader) routerAssert(n *yaml.Node, a *RouterAssert) error {
	return r.object(n, "validate", fields{
		"cluster_name":            r.optionalText(&a.Cluster, "cluster_name"),
		"virtual_cluster_name":    r.optionalText(&a.VirtualCluster, "virtual_cluster_name"),
		"virtual_host_name":       r.optionalText(&a.VirtualHost, "virtual_host_name"),
		"host_rewrite":            r.optionalText(&a.HostRewrite, "host_rewrite"),
		"path_rewrite":            r.optionalText(&a.PathRewrite, "path_rewrite"),
		"path_redirect":           r.optionalText(&a.PathRedirect, "path_redirect"),
		"code_redirect":           r.optionalInt(&a.CodeRedirect, "code_redirect"),
		"header_fields":           r.headerValues(&a.RequestFields, "header_fields"),        // before Envoy 1.14
		"custom_header_fields":    r.headerValues(&a.RequestFields, "custom_header_fields"), // before Envoy 1.14
		"request_header_fields":   r.headerValues(&a.RequestFields, "request_header_fields"),
		"response_header_fields":  r.headerValues(&a.ResponseFields, "response_header_fields"),
		"request_header_matches":  r.headerMatchers(&a.RequestMatches, "request_header_matches"),
		"response_header_matches": r.headerMatchers(&a.ResponseMatches, "response_header_matches"),
		"timeout":                 func(n *yaml.Node) error { return r.timeout(n, a) },
		"route_metadata":          func(n *yaml.Node) error { return r.routeMetadata(n, a) },
	})
}
