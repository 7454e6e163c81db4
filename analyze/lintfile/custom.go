package lintfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// rule is one entry of rules: a condition on every active resource of a kind.
type rule struct {
	Name     string `yaml:"name"`
	Code     string `yaml:"code"`
	Severity string `yaml:"severity"`
	Category string `yaml:"category"`
	// Kind is the kind of resource that the rule looks at.
	Kind string `yaml:"kind"`
	// When is a CEL expression that is true for a fault, Message one that says what
	// is wrong. Both see resource, the v3 message, proxy and name.
	When    string `yaml:"when"`
	Message string `yaml:"message"`
	Title   string `yaml:"title"`
	Why     string `yaml:"why"`
	Fix     string `yaml:"fix"`
}

// costLimit bounds what one expression may do on one resource, in CEL's units,
// about one for each step.
const costLimit = 1_000_000

// messageTypes are the v3 messages of the kinds that custom rules can look at.
var messageTypes = map[mesh.ResourceKind]string{
	mesh.Cluster: "envoy.config.cluster.v3.Cluster", mesh.Listener: "envoy.config.listener.v3.Listener",
	mesh.Route: "envoy.config.route.v3.RouteConfiguration", mesh.Endpoint: "envoy.config.endpoint.v3.ClusterLoadAssignment",
	mesh.Bootstrap: "envoy.config.bootstrap.v3.Bootstrap", mesh.ScopedRoute: "envoy.config.route.v3.ScopedRouteConfiguration",
	mesh.Extension: "envoy.config.core.v3.TypedExtensionConfig",
}

// needs are the inputs that have all resources of a kind; ECDS and scoped routes
// come with listeners or not at all.
var needs = map[mesh.ResourceKind][]analyze.Need{
	mesh.Cluster: {analyze.NeedClusters}, mesh.Listener: {analyze.NeedListeners}, mesh.Route: {analyze.NeedRoutes},
	mesh.Endpoint: {analyze.NeedLoadAssignments}, mesh.Bootstrap: {analyze.NeedBootstrap},
	mesh.ScopedRoute: {analyze.NeedListeners}, mesh.Extension: {analyze.NeedListeners},
}

func kindNames() string {
	return "bootstrap, cluster, ecds, endpoint, listener, route or scoped-route"
}

// program is a compiled custom rule.
type program struct {
	kind          mesh.ResourceKind
	when, message cel.Program
}

func (r *rule) compile() (*analyze.Rule, error) {
	kind := mesh.ResourceKind(r.Kind)
	if messageTypes[kind] == "" {
		return nil, fmt.Errorf("kind %q: expected %s", r.Kind, kindNames())
	}
	severity, err := analyze.ParseSeverity(r.Severity)
	if err != nil {
		return nil, err
	}
	if categories := []analyze.Category{analyze.Outage, analyze.Security, analyze.Performance, analyze.Hygiene}; !slices.Contains(categories, category(r.Category)) {
		return nil, fmt.Errorf("category %q: expected one of %v", r.Category, categories)
	}
	if r.When == "" {
		return nil, errors.New("expected when: a CEL expression that is true for a fault")
	}
	env, err := environment(kind)
	if err != nil {
		return nil, err
	}
	p := &program{kind: kind}
	if p.when, err = expression(env, "when", r.When, cel.BoolType); err != nil {
		return nil, err
	}
	if r.Message != "" {
		if p.message, err = expression(env, "message", r.Message, cel.StringType); err != nil {
			return nil, err
		}
	}
	return r.rule(severity, p), nil
}

func (r *rule) rule(severity analyze.Severity, p *program) *analyze.Rule {
	return &analyze.Rule{
		Name: r.Name, Code: r.Code, Severity: severity, Confidence: analyze.Proven, Category: category(r.Category),
		Own: true, Needs: needs[p.kind],
		Doc: analyze.Doc{
			Title: or(r.Title, r.Name), Finds: "A " + r.Kind + " for which `" + r.When + "` holds.",
			Hurts: or(r.Why, "A rule of this team's own."), Example: r.When, Silent: "Everything else.", Fix: or(r.Fix, "see the rule in the lint file"),
		},
		Run: func(pass *analyze.Pass) { p.run(pass) },
	}
}

func category(name string) analyze.Category {
	if name == "" {
		return analyze.Hygiene
	}
	return analyze.Category(name)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// environment declares what expressions see. All messages of Envoy that are linked
// in are known, so that what an Any holds can be looked into.
func environment(kind mesh.ResourceKind) (*cel.Env, error) {
	return cel.NewEnv(
		cel.TypeDescs(protoregistry.GlobalFiles),
		cel.Variable("resource", cel.ObjectType(messageTypes[kind])),
		cel.Variable("proxy", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("name", cel.StringType),
		cel.OptionalTypes(),
		ext.Strings(),
	)
}

func expression(env *cel.Env, field, text string, want *cel.Type) (cel.Program, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%s: %s", field, strings.ReplaceAll(issues.Err().Error(), "\n", "\n  "))
	}
	if !ast.OutputType().IsAssignableType(want) {
		return nil, fmt.Errorf("%s is a %s: expected a %s", field, ast.OutputType(), want)
	}
	return env.Program(ast, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(1000), cel.EvalOptions(cel.OptOptimize))
}
