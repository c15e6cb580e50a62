package check

import (
	"cmp"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// verdictOf is what one statement finds and looks at.
func verdictOf(r *run, judge func(*model) ([]Finding, int)) (found []Finding, looked int) {
	slices.SortStableFunc(r.h.Ops, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	return judge(newModel(&r.h, history.Bounds{}.WithDefaults()))
}

// account is a run with a carrier that takes registrations from the begin.
func account() *run { return newRun().turns(0.5, history.TakesAll) }

func (r *run) turns(t float64, how string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.CarrierTurn, Node: history.Outside, Key: "account", Arg: how})
}

// accounts has the node register at these times.
func (r *run) accounts(node string, times ...float64) *run {
	for _, t := range times {
		r.op(t, t+0.01, history.Op{Kind: history.CarrierEnrol, Node: node, Key: "account", Arg: "<sip:acme@" + node + ">", Expires: at(10)})
	}
	return r
}

// retracts has it take its contact back.
func (r *run) retracts(node string, t float64) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.CarrierEnrol, Node: node, Key: "account", Arg: "<sip:acme@" + node + ">"})
}

// each is from one time to another one, in steps.
func each(from, to, step float64) (all []float64) {
	for t := from; t <= to; t += step {
		all = append(all, t)
	}
	return all
}

func TestEnrolments(t *testing.T) {
	ours := each(1, 99, 6)
	for name, c := range map[string]struct {
		run   *run
		found bool
	}{
		"one node":                          {account().accounts("n1", ours...), false},
		"nobody":                            {account().accounts("n1", 1), true},
		"two that hear each other":          {account().accounts("n1", ours...).accounts("n2", 30), true},
		"one on each side":                  {account().cutOff(40, 60).accounts("n1", ours...).accounts("n3", 41, 47, 53, 59).retracts("n3", 62), false},
		"none on the smaller side":          {account().cutOff(40, 60).accounts("n1", ours...), true},
		"none on the larger side":           {account().cutOff(40, 60).accounts("n3", ours...), true},
		"the contact stays behind the heal": {account().cutOff(40, 60).accounts("n1", ours...).accounts("n3", 41, 47, 53, 59), true},
		"the carrier says nothing":          {account().accounts("n1", each(1, 30, 6)...).turns(31, history.SaysNothing), false},
		"the carrier is back":               {account().accounts("n1", each(1, 30, 6)...).turns(31, history.SaysNothing).turns(60, history.TakesAll).accounts("n1", each(66, 99, 6)...), false},
		"one that was killed leaves it":     {account().down(40, 90, "n1").accounts("n1", each(1, 39, 6)...).accounts("n2", each(41, 99, 6)...), false},
		"nobody follows one that is killed": {account().down(40, 90, "n1").accounts("n1", each(1, 39, 6)...), true},
	} {
		t.Run(name, func(t *testing.T) {
			found, looked := verdictOf(c.run, enrolments)
			if (len(found) > 0) != c.found || looked == 0 {
				t.Errorf("looked at %d, found %v", looked, found)
			}
		})
	}
}

// enrolledPhones are at n1, n2 and n3.
func enrolledPhones(dns ...string) *run {
	r := newRun()
	for i, dn := range dns {
		r.op(1, 1.1, history.Op{Kind: history.Enrol, Node: r.h.Nodes[i].Name, Key: dn})
	}
	return r
}

func (r *run) transfers(k history.Kind, from, to float64, o history.Outcome) *run {
	return r.op(from, to, history.Op{Kind: k, Node: "n1", From: "4100", Arg: "4101", Key: "4102", Outcome: o, Error: "BYE: no answer"})
}

// refused has a transfer end by a 503.
func (r *run) refused(text string, later bool) *run {
	return r.op(20, 23, history.Op{Kind: history.Transfer, Node: "n1", From: "4100", Arg: "4101", Key: "4102", Outcome: history.Unknown, Code: "503", Later: later, Error: "the first call: " + text})
}

func (r *run) busy(t float64, node, dns string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.BusyLook, Node: node, Result: dns})
}

func TestTransfers(t *testing.T) {
	phones := func() *run { return enrolledPhones("4100", "4101", "4102") }
	over := func(o history.Outcome) *run { return phones().transfers(history.TransferOver, 20, 25, o) }
	for name, c := range map[string]struct {
		run   *run
		found bool
	}{
		"it works":                       {phones().transfers(history.Transfer, 20, 21, history.OK), false},
		"it does not, in peace":          {phones().transfers(history.Transfer, 20, 23, history.Unknown), true},
		"nobody can end what came of it": {phones().transfers(history.Transferred, 20, 23, history.Unknown), true},
		"a node has too much to do":      {phones().refused("503 Service Unavailable", true), false},
		"it does not say when to ask":    {phones().refused("503 Service Unavailable", false), true},
		"another node is to be asked":    {phones().refused("503 Elsewhere", true), true},
		"it does not, in a cut":          {phones().cutOff(19, 30).transfers(history.Transfer, 20, 23, history.Unknown), false},
		"a phone is not registered":      {enrolledPhones("4100", "4101").transfers(history.Transfer, 20, 23, history.Unknown), false},
		"busy while it lasts":            {over(history.OK).busy(24, "n2", "4102"), false},
		"busy a moment later":            {over(history.OK).busy(28, "n2", "4102"), false},
		"busy for ever":                  {over(history.OK).busy(30, "n2", "4102"), true},
		"busy, and it did not end":       {over(history.Unknown).busy(30, "n2", "4102"), false},
		"busy by the next one":           {over(history.OK).transfers(history.TransferOver, 29, 40, history.OK).busy(30, "n2", "4102"), false},
		"busy where nobody heard of it":  {over(history.OK).cutOff(24, 60).busy(30, "n3", "4101"), false},
		"busy behind the heal":           {over(history.OK).cutOff(24, 60).busy(69, "n3", "4101"), true},
		"somebody else is busy":          {over(history.OK).busy(30, "n2", "4199"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if found, looked := verdictOf(c.run, transfers); (len(found) > 0) != c.found || looked == 0 && c.found {
				t.Errorf("looked at %d, found %v", looked, found)
			}
		})
	}
}

func TestByesArrive(t *testing.T) {
	call := func() *run {
		return enrolledPhones("3001", "", "3003").
			op(20, 21, history.Op{Kind: history.Dial, Node: "n1", From: "3001", Key: "3003", Arg: "c"}).
			op(20.5, 21, history.Op{Kind: history.Ring, Node: "n3", Key: "3003", From: "3001", Arg: "c"}).
			op(21, 60, history.Op{Kind: history.Talk, Node: "n3", Key: "3003", From: "3001", Arg: "c"})
	}
	within := func(r *run, t float64, dn, node, method, code string) *run {
		return r.op(t, t+0.1, history.Op{Kind: history.Within, Node: node, Key: dn, From: method, Arg: "c", Code: code})
	}
	hung := func(r *run) *run { return within(r, 30, "3001", "n1", "BYE", "200") }
	for name, c := range map[string]struct {
		run   *run
		found bool
	}{
		"both hang up at a time":      {within(hung(call()), 30.5, "3003", "n3", "BYE", "481"), false},
		"the other one hangs up late": {within(hung(call()), 35, "3003", "n3", "BYE", "200"), true},
		"it asks for something":       {within(hung(call()), 35, "3003", "n3", "INFO", "481"), true},
		"in a cut":                    {within(hung(call().cutOff(29, 40)), 35, "3003", "n3", "BYE", "200"), false},
		"behind the heal":             {within(hung(call().cutOff(29, 40)), 50, "3003", "n3", "BYE", "200"), true},
		"its node was killed":         {within(hung(call().down(29, 40, "n3")), 55, "3003", "n3", "BYE", "200"), false},
		"the first BYE was refused":   {within(within(call(), 30, "3001", "n1", "BYE", "481"), 35, "3003", "n3", "BYE", "200"), false},
	} {
		t.Run(name, func(t *testing.T) {
			found, _ := verdictOf(c.run, func(m *model) ([]Finding, int) { return m.byesArrive(m.calls()) })
			if (len(found) > 0) != c.found {
				t.Errorf("found %v", found)
			}
		})
	}
}
