package numbering_test

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/numbering"
)

func rule(match string, strip uint32, prepend string) *configpb.NumberRule {
	return &configpb.NumberRule{Match: match, Strip: strip, Prepend: prepend}
}

func TestApply_TheFirstThatFits(t *testing.T) {
	rules := []*configpb.NumberRule{rule("00", 2, "+"), rule("0", 1, "+49"), rule("1..$", 0, "9"), rule("*7", 64, ""), rule("+49", 0, "")}
	for number, want := range map[string]struct {
		number string
		rule   int
	}{
		"0044123": {"+44123", 1}, "030123": {"+4930123", 2}, "0": {"+49", 2}, "00": {"+", 1}, "123": {"9123", 3}, "1234": {"1234", 0}, "12": {"12", 0},
		"*71": {"", 4}, "+4930": {"+4930", 5}, "": {"", 0}, "7": {"7", 0},
	} {
		if got, n := numbering.Apply(rules, number); got != want.number || n != want.rule {
			t.Errorf("%s: %q by rule %d, want %v", number, got, n, want)
		}
	}
	if got, n := numbering.Apply([]*configpb.NumberRule{rule("", 0, "9")}, "1"); got != "91" || n != 1 {
		t.Error(`"" does not fit any number`, got, n)
	}
}

func TestTelephone(t *testing.T) {
	if n, context := numbering.Telephone([]byte("10-02;PHONE-CONTEXT=example.org;x")); n != "1002" || context != "example.org" {
		t.Error(n, context)
	}
}

// put writes DNs without passwords into a View.
func view(t *testing.T, dns ...*configpb.DN) *fsm.View {
	t.Helper()
	var ms []*configpb.Mutation
	for _, d := range dns {
		ms = append(ms, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	v, err := fsm.Empty().With(ms)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const hex = "00000000000000000000000000000000"

func phone(n string) *configpb.DN {
	return &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: hex}
}

func gateway(n string, c *configpb.Trunk) *configpb.DN {
	c.Address = "192.0.2.1:5060"
	return &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: c}
}

func TestFind_WhereACallGoes(t *testing.T) {
	none, off := phone("1003"), phone("1004")
	none.Outbound, off.Disabled = &configpb.Outbound{Class: 1}, true
	v := view(t, phone("1001"), phone("1002"), none, off,
		&configpb.DN{Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, Dids: []string{"+4930100"}},
		&configpb.DN{Number: "*50", Kind: configpb.DNKind_DN_KIND_FEATURE, Feature: &configpb.Feature{Action: 1}},
		gateway("gw", &configpb.Trunk{InboundNumbers: &configpb.NumberRules{
			Called: []*configpb.NumberRule{rule("0", 1, "+49"), rule("77", 2, "10")}, Caller: []*configpb.NumberRule{rule("00", 2, "+")},
		}}))
	a, gw := numbering.Caller{DN: "1001", Number: "1001"}, numbering.Caller{DN: "gw", Trunk: true, Number: "0044555"}
	for _, c := range []struct {
		from            numbering.Caller
		called, dn, now string
		by              numbering.By
		code            int
		outside         bool
	}{
		{a, "1002", "1002", "1002", numbering.ByDN, 0, false},
		{a, "+4930100", "9001", "+4930100", numbering.ByDID, 0, false},
		{a, "4930100", "9001", "4930100", numbering.ByDID, 0, false},
		{a, "030100", "", "030100", numbering.ByNothing, 0, true}, // a trunk's rules are not for phones
		{gw, "030100", "9001", "+4930100", numbering.ByDID, 0, false},
		{gw, "7702", "1002", "1002", numbering.ByDN, 0, false},
		{gw, "030101", "", "+4930101", numbering.ByNothing, 404, false},
		{a, "*507", "*50", "*507", numbering.ByFeature, 0, false},
		{gw, "*507", "*50", "*507", numbering.ByFeature, 404, false},
		{a, "gw", "gw", "gw", numbering.ByDN, 404, false},
		{numbering.Caller{DN: "1003"}, "1002", "1002", "1002", numbering.ByDN, 403, false},
		{numbering.Caller{DN: "1003"}, "*507", "*50", "*507", numbering.ByFeature, 0, false},
		{a, "1004", "1004", "1004", numbering.ByDN, 403, false},
	} {
		w := numbering.Find(v, c.from, c.called)
		if w.DN.GetNumber() != c.dn || w.Called != c.now || w.By != c.by || w.Code != c.code || w.Outside != c.outside {
			t.Errorf("%s calls %s: %s, %s by %d, %d %s, outside %v", c.from.DN, c.called, w.DN.GetNumber(), w.Called, w.By, w.Code, w.Reason, w.Outside)
		}
		if len(w.Why(c.from, c.called)) < 2 {
			t.Errorf("%s calls %s: no word says why", c.from.DN, c.called)
		}
	}
	if w := numbering.Find(v, gw, "7702"); w.Shown != "+44555" || w.ShownRule != 1 {
		t.Errorf("the caller is %q by rule %d", w.Shown, w.ShownRule)
	}
}

func TestExits_WhatEachTrunkIsTold(t *testing.T) {
	off := gateway("off", &configpb.Trunk{Prefix: "+"})
	off.Disabled = true
	trunks := []*configpb.DN{
		gateway("national", &configpb.Trunk{Prefix: "+49", OutboundNumbers: &configpb.NumberRules{Called: []*configpb.NumberRule{rule("+49", 3, "0")}}}),
		off, gateway("world", &configpb.Trunk{Prefix: "+"}), gateway("nothing", &configpb.Trunk{OutboundNumbers: &configpb.NumberRules{Called: []*configpb.NumberRule{rule("+", 64, "")}}}), gateway("local", &configpb.Trunk{Prefix: "0"}),
	}
	got := ""
	for _, e := range numbering.Exits(trunks, "+4930123") {
		got += e.Trunk.GetNumber() + "=" + e.Number + " "
	}
	if got != "national=030123 world=+4930123 " {
		t.Error(got)
	}
}

func TestShow_HowATrunkIsToldWhoCalls(t *testing.T) {
	own, pstn := phone("1002"), &configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4917000"}
	own.CallerId = &configpb.CallerID{Number: "+4930102", Name: "Anna"}
	hidden := phone("1003")
	hidden.CallerId = &configpb.CallerID{Number: "+4930103", Withheld: true}
	v := view(t, phone("1001"), own, hidden, pstn,
		gateway("in", &configpb.Trunk{InboundNumbers: &configpb.NumberRules{Caller: []*configpb.NumberRule{rule("00", 2, "+")}}}))
	plain := &configpb.Trunk{}
	main := &configpb.Trunk{
		CallerId:        &configpb.CallerID{Number: "+4930100"},
		OutboundNumbers: &configpb.NumberRules{Caller: []*configpb.NumberRule{rule("+49", 3, "0")}},
	}
	for _, c := range []struct {
		name string
		from numbering.Caller
		out  *configpb.Trunk
		want numbering.Shown
		ok   bool
	}{
		{"nothing is said of it", numbering.Caller{DN: "1001", Number: "1001"}, plain, numbering.Shown{Number: "1001"}, false},
		{"the trunk's", numbering.Caller{DN: "1001", Number: "1001"}, main, numbering.Shown{Number: "030100", Rule: 1}, true},
		{"the DN's own", numbering.Caller{DN: "1002", Number: "1002"}, main, numbering.Shown{Number: "030102", Name: "Anna", Rule: 1}, true},
		{"withheld", numbering.Caller{DN: "1003", Number: "1003"}, plain, numbering.Shown{Number: "+4930103", Withheld: true}, true},
		{"a caller by another trunk", numbering.Caller{DN: "in", Trunk: true, Number: "004930555"}, main, numbering.Shown{Number: "030555", Rule: 1}, true},
		{"one that no rule fits", numbering.Caller{DN: "in", Trunk: true, Number: "+1555"}, main, numbering.Shown{Number: "+1555"}, false},
	} {
		if got, ok := numbering.Show(v, c.from, c.out); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, got, ok, c.want, c.ok)
		}
	}
}
