package rbac

import (
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// decideTree takes the action that the tree ends in. Where it ends in none the
// request is denied.
func (e *Engine) decideTree(a *match.Attributes) Decision {
	found := e.tree.Explain(a)
	d := Decision{Allowed: match.No, Action: rbacv3.RBAC_DENY}
	for _, miss := range found.Passed {
		d.Passed = append(d.Passed, PolicyMiss{Miss: miss})
	}
	switch found.Result.Outcome {
	case match.Unknown:
		d.Allowed, d.Unknown = match.Unknown, []string{found.Result.String()}
		return d
	case match.No:
		return d
	}
	action, ok := mesh.Unpack(found.Action.GetName(), found.Action.GetTypedConfig()).Config.(*rbacv3.Action)
	if !ok {
		d.Allowed = match.Unknown
		d.Unknown = []string{"the action " + found.Action.GetName() + " is no envoy.config.rbac.v3.Action"}
		return d
	}
	d.Policy, d.Action = action.GetName(), action.GetAction()
	d.Allowed = allowed(action.GetAction(), match.Yes)
	return d
}
