package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// Why writes why a DN gets calls or none, for people: the sentence, the conditions, what
// each node believes, where its phones are registered, and its last changes.
func Why(w io.Writer, now time.Time, colour bool, r *tcpb.ExplainDNResponse) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", r.GetSentence()); err != nil {
		return err
	}
	for _, part := range []func(time.Time, *tcpb.ExplainDNResponse) (*console.Table, int){conditions, believed, bindings, changes} {
		t, rows := part(now, r)
		if rows == 0 {
			continue
		}
		if err := t.Write(w, colour); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

func conditions(_ time.Time, r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t := &console.Table{Head: []string{"CONDITION", "MET", "BECAUSE"}}
	for _, x := range r.GetConditions() {
		met := console.Tinted("yes", console.Green)
		if !x.GetMet() {
			met = console.Tinted("NO", console.Red)
		}
		t.Add(console.Text(strings.ReplaceAll(x.GetKind().Word(), "-", " ")), met, console.Text(x.GetValue()))
	}
	return t, len(r.GetConditions())
}

func believed(now time.Time, r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t := &console.Table{Head: []string{"NODE", "SITE", "BELIEVES", "OWNER", "REASON", "FOR", "ROUTABLE", "IN USE", "AGENT"}}
	for _, v := range r.GetViews() {
		s := v.GetStatus()
		switch {
		case v.GetError() != "":
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), console.Tinted(v.GetError(), console.Yellow))
		case s == nil:
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), console.Text("knows no such DN"))
		default:
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), StateCell(s.GetState()), console.Text(Owner(s)), console.Text(console.Dash(ReasonName(s.GetReason()))),
				console.Text(Age(now, s.GetSince())), console.Text(console.YesNo(s.GetRoutable())), console.Text(UseText(now, s)), AgentCell(s.GetAgent()))
		}
	}
	return t, len(r.GetViews())
}

func bindings(now time.Time, r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t, rows := &console.Table{Head: []string{"AT", "CONTACT", "BY", "FROM", "EXPIRES IN", "ANSWERS", "USER AGENT"}}, 0
	for _, v := range r.GetViews() {
		for _, b := range v.GetBindings() {
			answers := console.Text("yes")
			if b.GetUnresponsive() {
				answers = console.Tinted("NO", console.Red)
			}
			t.Add(console.Text(v.GetNode()), console.Text(b.GetContact()), console.Text(b.GetTransport()), console.Text(b.GetSource()),
				console.Text(Span(max(b.GetExpires().AsTime().Sub(now), 0))), answers, console.Text(console.Dash(b.GetUserAgent())))
			rows++
		}
	}
	return t, rows
}

// changes are those that the asked node saw.
func changes(now time.Time, r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t := &console.Table{Head: []string{"TIME", "CHANGE", "STATE", "OWNER", "REASON", "IN USE", "AGENT"}}
	all := Asked(r).GetChanges()
	for _, x := range all {
		s := x.GetStatus()
		use := strings.TrimPrefix(UseText(now, s), "-")
		if x.GetCoolingDown() {
			use = strings.TrimPrefix(use+", cooling down", ", ")
		}
		t.Add(console.Text(x.GetTime().AsTime().Local().Format("15:04:05.000")), console.Text(x.GetKind().Word()), StateCell(s.GetState()), console.Text(console.Dash(s.GetOwner())),
			console.Text(console.Dash(ReasonName(s.GetReason()))), console.Text(console.Dash(use)), AgentCell(s.GetAgent()))
	}
	return t, len(all)
}

// Asked is the view of the node that was asked, which is the first; nil for none.
func Asked(r *tcpb.ExplainDNResponse) *tcpb.DNView {
	if len(r.GetViews()) == 0 {
		return nil
	}
	return r.GetViews()[0]
}
