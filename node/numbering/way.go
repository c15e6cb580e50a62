package numbering

import (
	"fmt"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// Caller is who calls.
type Caller struct {
	// DN of the phone, or of the trunk.
	DN    string
	Trunk bool
	// Number that it shows.
	Number string
}

// Way is where a call goes: to DN, out by trunks, or nowhere, with Code. A feature is
// what DN has, with the Digits behind its number.
type Way struct {
	// Called and Shown are the called and the calling number as the cluster knows them.
	Called, Shown string
	DN            *configpb.DN
	Digits        string
	Outside       bool
	// Code and Reason are the answer to a call that goes nowhere; 0 for others.
	Code   int
	Reason string

	// Rule and ShownRule are those of the trunk that fitted, from 1; 0 for none.
	Rule, ShownRule int
	// By is what led to DN.
	By By
}

// By is what led to a DN.
type By uint8

const (
	// ByNothing led nowhere, or out.
	ByNothing By = iota
	// ByDN: it was called by its own number.
	ByDN
	// ByDID: the number is one of its dids.
	ByDID
	// ByFeature: the number begins with that of a feature.
	ByFeature
)

// Find tells where a call goes.
func Find(v *fsm.View, from Caller, called string) Way {
	w := Way{Called: called, Shown: from.Number}
	caller := v.DN(from.DN)
	if from.Trunk {
		rules := caller.GetTrunk().GetInboundNumbers()
		w.Called, w.Rule = Apply(rules.GetCalled(), called)
		w.Shown, w.ShownRule = Apply(rules.GetCaller(), from.Number)
	}
	w.find(v)
	class := caller.GetOutbound().GetClass()
	switch kind := w.DN.GetKind(); {
	case kind == configpb.DNKind_DN_KIND_FEATURE && from.Trunk, kind == configpb.DNKind_DN_KIND_TRUNK:
		return w.nowhere(404, "Not Found")
	case kind != configpb.DNKind_DN_KIND_FEATURE && class == configpb.OutboundClass_OUTBOUND_CLASS_NONE:
		return w.nowhere(403, "The DN makes no calls")
	case w.DN.GetDisabled():
		return w.nowhere(403, "DN is disabled")
	case w.DN == nil && from.Trunk: // whoever came in by a trunk doesn't leave by one
		return w.nowhere(404, "Not Found")
	}
	w.Outside = w.DN == nil
	return w
}

func (w *Way) nowhere(code int, reason string) Way {
	w.Code, w.Reason = code, reason
	return *w
}

// find finds the DN that is called.
func (w *Way) find(v *fsm.View) {
	if w.DN = v.DN(w.Called); w.DN != nil {
		w.By = ByDN
		return
	}
	if w.DN = v.ByDID(w.Called); w.DN != nil {
		w.By = ByDID
		return
	}
	for i := len(w.Called) - 1; i > 0; i-- {
		f := v.DN(w.Called[:i])
		if f.GetKind() == configpb.DNKind_DN_KIND_FEATURE && f.GetFeature().GetAction() == configpb.FeatureAction_FEATURE_ACTION_LOGIN {
			w.DN, w.Digits, w.By = f, w.Called[i:], ByFeature
			return
		}
	}
}

// Why says in words how the way was found, a line for each step.
func (w *Way) Why(from Caller, called string) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if from.Trunk {
		say("the call comes by trunk %s", from.DN)
		say("called %s: %s", called, ruled(w.Rule, "inbound_numbers.called", w.Called))
		if from.Number != "" {
			say("caller %s: %s", from.Number, ruled(w.ShownRule, "inbound_numbers.caller", w.Shown))
		}
	} else {
		say("the call comes from DN %s", from.DN)
	}
	n := w.DN.GetNumber()
	switch w.By {
	case ByDN:
		say("%s is a DN of kind %s", n, w.DN.GetKind().Word())
	case ByDID:
		say("%s is a did of DN %s, kind %s", w.Called, n, w.DN.GetKind().Word())
	case ByFeature:
		say("%s begins with the number of feature %s: %s is the agent", w.Called, n, w.Digits)
	case ByNothing:
		say("%s is neither a DN nor a did", w.Called)
	}
	return lines
}

func ruled(rule int, list, now string) string {
	if rule == 0 {
		return "no rule of " + list + " fits, it stays"
	}
	return fmt.Sprintf("rule %d of %s makes it %s", rule, list, now)
}

// Exit is a trunk by which a number leaves, and what the trunk is told it is.
type Exit struct {
	Trunk  *configpb.DN
	Number string
	Rule   int
}

// Exits are the trunks of a list, the best first, by which a number may leave: not those
// whose rules leave nothing of it.
func Exits(trunks []*configpb.DN, number string) (out []Exit) {
	for _, t := range trunks {
		c := t.GetTrunk()
		if t.GetDisabled() || c.GetAddress() == "" || !strings.HasPrefix(number, c.GetPrefix()) {
			continue
		}
		e := Exit{Trunk: t}
		if e.Number, e.Rule = Apply(c.GetOutboundNumbers().GetCalled(), number); e.Number != "" {
			out = append(out, e)
		}
	}
	return out
}
