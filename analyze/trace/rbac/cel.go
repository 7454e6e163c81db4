package rbac

import (
	"errors"
	"fmt"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
	exprv1alpha1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	"github.com/meshray/meshray/analyze/trace/match"
)

const (
	// maxNodes bounds the size of an expression.
	maxNodes = 10_000
	// maxCost bounds the evaluation of an expression, in CEL's own units. There are
	// no loops, so that this is reached by long strings only.
	maxCost = 1_000_000
)

// expression is a CEL condition. One that Envoy cannot evaluate, because a value
// is missing or of the wrong type, does not match.
type expression struct {
	program cel.Program
	// keys are the strings in the expression: of what is looked up in metadata and
	// filter state, those that are not known.
	keys []string
}

const conditionName = "condition"

// compileExpression prepares the condition of a policy; nil where there is none.
// Envoy ignores checked_condition.
func compileExpression(p *rbacv3.Policy) condition {
	if p.GetCondition() == nil {
		return nil
	}
	keys, err := inspect(p.GetCondition())
	if err != nil {
		return unknown(conditionName, err.Error())
	}
	program, err := plan(p.GetCondition())
	if err != nil {
		return unknown(conditionName, err.Error())
	}
	return &expression{program: program, keys: keys}
}

func plan(e *exprv1alpha1.Expr) (cel.Program, error) {
	env, err := cel.NewCustomEnv(cel.StdLib())
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	program, err := env.Program(cel.ParsedExprToAst(&exprv1alpha1.ParsedExpr{Expr: e}),
		cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval), cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("reading a CEL expression: %w", err)
	}
	return program, nil
}

func (e *expression) match(a *match.Attributes) match.Result {
	values, err := cel.PartialVars(celValues(a), e.unknowns(a)...)
	if err != nil {
		return match.Unmodelled(conditionName, err.Error())
	}
	value, _, err := e.program.Eval(values)
	if cancelled := (interpreter.EvalCancelledError{}); errors.As(err, &cancelled) {
		return match.Unmodelled(conditionName, "its evaluation costs too much")
	}
	if err != nil {
		return match.Result{Condition: conditionName, Want: "true", Got: shortened(err.Error())}
	}
	if types.IsUnknown(value) {
		return match.Unmodelled(conditionName, "it asks for attributes that are not known")
	}
	if value == types.True {
		return match.Matched
	}
	return match.Result{Condition: conditionName, Want: "true", Got: shortened(fmt.Sprint(value.Value()))}
}

// inspection walks an expression before CEL sees it.
type inspection struct {
	nodes int
	keys  []string
}

// inspect returns the string constants of an expression, or what is wrong with it.
func inspect(e *exprv1alpha1.Expr) (keys []string, err error) {
	var i inspection
	if err := i.walk(e, 0); err != nil {
		return nil, err
	}
	return i.keys, nil
}

func (i *inspection) walk(e *exprv1alpha1.Expr, depth int) error {
	i.nodes++
	if depth > maxDepth || i.nodes > maxNodes {
		return fmt.Errorf("it is larger than %d nodes or deeper than %d levels", maxNodes, maxDepth)
	}
	switch kind := e.GetExprKind().(type) {
	case *exprv1alpha1.Expr_ConstExpr:
		if s, ok := kind.ConstExpr.GetConstantKind().(*exprv1alpha1.Constant_StringValue); ok {
			i.keys = append(i.keys, s.StringValue)
		}
		return nil
	case *exprv1alpha1.Expr_IdentExpr:
		return nil
	case *exprv1alpha1.Expr_SelectExpr:
		i.keys = append(i.keys, kind.SelectExpr.GetField())
		return i.walk(kind.SelectExpr.GetOperand(), depth+1)
	case *exprv1alpha1.Expr_CallExpr:
		return i.call(kind.CallExpr, depth)
	case *exprv1alpha1.Expr_ListExpr:
		return i.all(kind.ListExpr.GetElements(), depth)
	case *exprv1alpha1.Expr_ComprehensionExpr:
		return errors.New("it has a comprehension, which Envoy refuses")
	}
	return errors.New("it has a part that is not modelled")
}

func (i *inspection) call(c *exprv1alpha1.Expr_Call, depth int) error {
	if c.GetFunction() == "_[_]" && len(c.GetArgs()) == 2 && c.GetArgs()[1].GetConstExpr() == nil {
		return errors.New("it looks up a key that is not a constant")
	}
	if c.GetTarget() != nil {
		if err := i.walk(c.GetTarget(), depth+1); err != nil {
			return err
		}
	}
	return i.all(c.GetArgs(), depth)
}

func (i *inspection) all(parts []*exprv1alpha1.Expr, depth int) error {
	for _, part := range parts {
		if err := i.walk(part, depth+1); err != nil {
			return err
		}
	}
	return nil
}
