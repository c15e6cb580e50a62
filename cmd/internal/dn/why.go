package dn

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// whyJSON is dn why; names and order are a contract.
type whyJSON struct {
	DN         string          `json:"dn"`
	Routable   bool            `json:"routable"`
	Sentence   string          `json:"sentence"`
	Conditions []conditionJSON `json:"conditions"`
	Views      []viewJSON      `json:"views"`
}

type conditionJSON struct {
	Condition string `json:"condition"`
	Met       bool   `json:"met"`
	Value     string `json:"value"`
}

type viewJSON struct {
	Node     string        `json:"node"`
	Site     string        `json:"site"`
	Error    string        `json:"error,omitempty"`
	TookMS   float64       `json:"took_ms"`
	Status   *dnJSON       `json:"status,omitempty"`
	Bindings []bindingJSON `json:"bindings"`
	Changes  []changeJSON  `json:"changes"`
}

type bindingJSON struct {
	Contact      string   `json:"contact"`
	Transport    string   `json:"transport"`
	Source       string   `json:"source"`
	Expires      string   `json:"expires"`
	Instance     string   `json:"instance"`
	UserAgent    string   `json:"user_agent"`
	Unresponsive bool     `json:"unresponsive"`
	Path         []string `json:"path,omitempty"`
}

type changeJSON struct {
	Time        string          `json:"time"`
	Change      string          `json:"change"`
	State       string          `json:"state"`
	Reason      string          `json:"reason"`
	Owner       string          `json:"owner"`
	Busy        bool            `json:"busy"`
	Reserved    bool            `json:"reserved"`
	CoolingDown bool            `json:"cooling_down"`
	Agent       *view.AgentJSON `json:"agent,omitempty"`
}

func newWhyJSON(number string, r *tcpb.ExplainDNResponse) whyJSON {
	w := whyJSON{DN: number, Routable: r.GetViews()[0].GetStatus().GetRoutable(), Sentence: r.GetSentence()}
	for _, c := range r.GetConditions() {
		w.Conditions = append(w.Conditions, conditionJSON{c.GetKind().Word(), c.GetMet(), c.GetValue()})
	}
	for _, v := range r.GetViews() {
		w.Views = append(w.Views, newViewJSON(v))
	}
	return w
}

func newViewJSON(v *tcpb.DNView) viewJSON {
	j := viewJSON{Node: v.GetNode(), Site: v.GetSite(), Error: v.GetError(), TookMS: float64(v.GetTook().AsDuration().Microseconds()) / 1000, Bindings: []bindingJSON{}, Changes: []changeJSON{}}
	if v.GetStatus() != nil {
		s := newDNJSON(v.GetStatus())
		j.Status = &s
	}
	for _, b := range v.GetBindings() {
		j.Bindings = append(j.Bindings, bindingJSON{b.GetContact(), b.GetTransport(), b.GetSource(), view.RFC3339(b.GetExpires()), b.GetInstance(), b.GetUserAgent(), b.GetUnresponsive(), b.GetPath()})
	}
	for _, c := range v.GetChanges() {
		s := c.GetStatus()
		j.Changes = append(j.Changes, changeJSON{
			view.RFC3339(c.GetTime()), c.GetKind().Word(), view.StateName(s.GetState()), view.ReasonName(s.GetReason()), s.GetOwner(), s.GetBusy(), s.GetReserved(), c.GetCoolingDown(), view.NewAgentJSON(s.GetAgent()),
		})
	}
	return j
}

func (c commands) dnWhyCommand() *cobra.Command {
	var changes uint32
	cmd := c.Reading(&cobra.Command{
		Use: "why NUMBER", Short: "Tell why a DN gets calls or none, and what each node believes of it", Args: cobra.ExactArgs(1),
		Long: `Tell why a DN gets calls or none: each condition of routable with what it was judged by, where its
phones are registered, what each other node believes (they are asked at once, for a second at
most), and the last changes of the DN as the asked node saw them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := client.Unary(cmd.Context(), cl, tcpb.NewDiagnosisClient(cl.Conn).ExplainDN, &tcpb.ExplainDNRequest{Dn: args[0], Changes: changes})
			if err != nil {
				return fmt.Errorf("dn why: %w", err)
			}
			if c.JSON() {
				return console.Encode(c.Out, newWhyJSON(args[0], r))
			}
			return c.printWhy(r)
		},
	})
	cmd.Flags().Uint32Var(&changes, "changes", 20, "tell so many of the last changes at most, 1 to 1000")
	return cmd
}

func (c commands) printWhy(r *tcpb.ExplainDNResponse) error {
	if _, err := fmt.Fprintf(c.Out, "%s\n\n", r.GetSentence()); err != nil {
		return err
	}
	for _, print := range []func(*tcpb.ExplainDNResponse) (*console.Table, int){c.conditions, c.views, c.bindings, c.changes} {
		t, rows := print(r)
		if rows == 0 {
			continue
		}
		if err := c.Print(t); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.Out); err != nil {
			return err
		}
	}
	return nil
}

func (c commands) conditions(r *tcpb.ExplainDNResponse) (*console.Table, int) {
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

func (c commands) views(r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t := &console.Table{Head: []string{"NODE", "SITE", "BELIEVES", "OWNER", "REASON", "FOR", "ROUTABLE", "IN USE", "AGENT"}}
	for _, v := range r.GetViews() {
		s := v.GetStatus()
		switch {
		case v.GetError() != "":
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), console.Tinted(v.GetError(), console.Yellow))
		case s == nil:
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), console.Text("knows no such DN"))
		default:
			t.Add(console.Text(v.GetNode()), console.Text(v.GetSite()), view.StateCell(s.GetState()), console.Text(view.Owner(s)), console.Text(console.Dash(view.ReasonName(s.GetReason()))),
				console.Text(view.Age(c.Now(), s.GetSince())), console.Text(console.YesNo(s.GetRoutable())), console.Text(view.UseText(c.Now(), s)), view.AgentCell(s.GetAgent()))
		}
	}
	return t, len(r.GetViews())
}

func (c commands) bindings(r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t, rows := &console.Table{Head: []string{"AT", "CONTACT", "BY", "FROM", "EXPIRES IN", "ANSWERS", "USER AGENT"}}, 0
	for _, v := range r.GetViews() {
		for _, b := range v.GetBindings() {
			answers := console.Text("yes")
			if b.GetUnresponsive() {
				answers = console.Tinted("NO", console.Red)
			}
			t.Add(console.Text(v.GetNode()), console.Text(b.GetContact()), console.Text(b.GetTransport()), console.Text(b.GetSource()),
				console.Text(view.Span(max(b.GetExpires().AsTime().Sub(c.Now()), 0))), answers, console.Text(console.Dash(b.GetUserAgent())))
			rows++
		}
	}
	return t, rows
}

// changes are those that the asked node saw.
func (c commands) changes(r *tcpb.ExplainDNResponse) (*console.Table, int) {
	t := &console.Table{Head: []string{"TIME", "CHANGE", "STATE", "OWNER", "REASON", "IN USE", "AGENT"}}
	all := r.GetViews()[0].GetChanges()
	for _, x := range all {
		s := x.GetStatus()
		use := strings.TrimPrefix(view.UseText(c.Now(), s), "-")
		if x.GetCoolingDown() {
			use = strings.TrimPrefix(use+", cooling down", ", ")
		}
		t.Add(console.Text(x.GetTime().AsTime().Local().Format("15:04:05.000")), console.Text(x.GetKind().Word()), view.StateCell(s.GetState()), console.Text(console.Dash(s.GetOwner())),
			console.Text(console.Dash(view.ReasonName(s.GetReason()))), console.Text(console.Dash(use)), view.AgentCell(s.GetAgent()))
	}
	return t, len(all)
}
