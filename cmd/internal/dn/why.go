package dn

import (
	"fmt"

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
	w := whyJSON{DN: number, Routable: view.Asked(r).GetStatus().GetRoutable(), Sentence: r.GetSentence()}
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
			return view.Why(c.Out, c.Now(), c.Colour(), r)
		},
	})
	cmd.Flags().Uint32Var(&changes, "changes", 20, "tell so many of the last changes at most, 1 to 1000")
	return cmd
}
