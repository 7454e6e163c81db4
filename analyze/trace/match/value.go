package match

import (
	"strconv"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// Value is a compiled envoy.type.matcher.v3.ValueMatcher.
type Value struct {
	want string
	test func(*structpb.Value) Outcome
}

// CompileValue prepares a ValueMatcher.
func CompileValue(m *matcherv3.ValueMatcher) *Value {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.ValueMatcher_NullMatch_:
		return &Value{want: "null", test: isNull}
	case *matcherv3.ValueMatcher_BoolMatch:
		return &Value{want: strconv.FormatBool(p.BoolMatch), test: boolTest(p.BoolMatch)}
	case *matcherv3.ValueMatcher_PresentMatch:
		// Envoy has present_match false match nothing at all.
		return &Value{want: "present", test: func(v *structpb.Value) Outcome { return outcome(p.PresentMatch && v.GetKind() != nil) }}
	case *matcherv3.ValueMatcher_DoubleMatch:
		return compileDouble(p.DoubleMatch)
	case *matcherv3.ValueMatcher_StringMatch:
		s := CompileString(p.StringMatch)
		return &Value{want: s.want, test: func(v *structpb.Value) Outcome { return stringTest(s, v) }}
	case *matcherv3.ValueMatcher_ListMatch:
		return compileList(p.ListMatch)
	case *matcherv3.ValueMatcher_OrMatch:
		return compileOr(p.OrMatch)
	}
	return unknownValue("a value matcher without a pattern")
}

func unknownValue(why string) *Value {
	return &Value{want: why, test: func(*structpb.Value) Outcome { return Unknown }}
}

// Want is the matcher in words.
func (v *Value) Want() string { return v.want }

// Match answers for a value; nil is one that is not there. The Condition of a
// Result that is not Yes is "value".
func (v *Value) Match(value *structpb.Value) Result {
	switch v.test(value) {
	case Yes:
		return Matched
	case No:
		return missed("value", v.want, valueText(value))
	}
	return Unmodelled("value", v.want)
}

func isNull(v *structpb.Value) Outcome {
	_, ok := v.GetKind().(*structpb.Value_NullValue)
	return outcome(ok)
}

func boolTest(want bool) func(*structpb.Value) Outcome {
	return func(v *structpb.Value) Outcome {
		b, ok := v.GetKind().(*structpb.Value_BoolValue)
		return outcome(ok && b.BoolValue == want)
	}
}

func stringTest(s *String, v *structpb.Value) Outcome {
	text, ok := v.GetKind().(*structpb.Value_StringValue)
	if !ok {
		return No
	}
	return s.test(text.StringValue)
}

func compileDouble(m *matcherv3.DoubleMatcher) *Value {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.DoubleMatcher_Exact:
		return &Value{want: number(p.Exact), test: func(v *structpb.Value) Outcome {
			n, ok := v.GetKind().(*structpb.Value_NumberValue)
			return outcome(ok && n.NumberValue == p.Exact)
		}}
	case *matcherv3.DoubleMatcher_Range:
		from, to := p.Range.GetStart(), p.Range.GetEnd()
		return &Value{want: "range [" + number(from) + "," + number(to) + ")", test: func(v *structpb.Value) Outcome {
			n, ok := v.GetKind().(*structpb.Value_NumberValue)
			return outcome(ok && from <= n.NumberValue && n.NumberValue < to)
		}}
	}
	return unknownValue("a double matcher without a pattern")
}

func number(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

func compileList(m *matcherv3.ListMatcher) *Value {
	one, ok := m.GetMatchPattern().(*matcherv3.ListMatcher_OneOf)
	if !ok {
		return unknownValue("a list matcher without a pattern")
	}
	element := CompileValue(one.OneOf)
	return &Value{want: "a list with " + element.want, test: func(v *structpb.Value) Outcome {
		found := No
		for _, e := range v.GetListValue().GetValues() {
			found = found.or(element.test(e))
		}
		return found
	}}
}

func compileOr(m *matcherv3.OrMatcher) *Value {
	var alternatives []*Value
	var wants []string
	for _, alternative := range m.GetValueMatchers() {
		v := CompileValue(alternative)
		alternatives, wants = append(alternatives, v), append(wants, v.want)
	}
	return &Value{want: strings.Join(wants, " or "), test: func(v *structpb.Value) Outcome {
		found := No
		for _, alternative := range alternatives {
			found = found.or(alternative.test(v))
		}
		return found
	}}
}

// valueText is a value as it is shown in Result.Got.
func valueText(v *structpb.Value) string {
	switch k := v.GetKind().(type) {
	case nil:
		return "no such value"
	case *structpb.Value_NullValue:
		return "null"
	case *structpb.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue)
	case *structpb.Value_NumberValue:
		return number(k.NumberValue)
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_ListValue:
		return "a list"
	}
	return "an object"
}
