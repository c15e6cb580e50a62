package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// DemoCommand is demo.
func DemoCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	return &cobra.Command{
		Use: "demo", Short: "Play the product's four scenes with real SIP phones: register, cut, heal, stand by", Args: cobra.NoArgs,
		Long: `Start a cluster of two sites on free ports and play four scenes with real SIP
phones over UDP: two phones register and both sites know, the link between the
sites is cut and each side goes on with its own DN, the link heals and both
sides have both DNs again, and a phone that registers at both sites stays in
service at both when the link is cut once more. It ends with 0 only when every step was observed at
every node as expected.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.demo(cmd.Context()); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return nil
		},
	}
}

// The two phones of the demo and where they register.
const dn1, dn2 = "1001", "1002"

// How long each step may take at most.
const (
	toldWithin   = 2 * time.Second
	cutWithin    = 2 * time.Second
	healedWithin = 5 * time.Second
)

// stage is what the scenes play on.
type stage struct {
	commands
	cluster   *devCluster
	state     *devState
	witnesses [2]*witness
	phones    [2]*siptest.Phone
	// second is the other registration of the first phone.
	second *siptest.Phone
}

func (c commands) demo(ctx context.Context) (err error) {
	nodes, err := freeLayout(2)
	if err != nil {
		return err
	}
	d, err := newDevCluster(nodes, "sipcluster", "")
	if err != nil {
		return err
	}
	defer d.stop()
	defer func() {
		if err != nil && ctx.Err() == nil {
			d.keep = true
			err = fmt.Errorf("%w (logs: %s)", err, d.dir)
		}
	}()
	fmt.Fprintln(c.Out, "Starting two SIP Servers: sip1 at site dc1, sip2 at site dc2")
	if err := c.startDev(ctx, d); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stage{commands: c, cluster: d, state: &devState{Nodes: nodes, As: d.as}}
	for i, n := range nodes {
		if s.witnesses[i], err = newWitness(ctx, d.as, n); err != nil {
			return err
		}
		defer s.witnesses[i].client.Close()
	}
	return s.play(ctx)
}

// play plays the scenes in order; each leaves the stage for the next.
func (s *stage) play(ctx context.Context) error {
	defer func() {
		for _, p := range append(s.phones[:], s.second) {
			if p != nil {
				p.Close()
			}
		}
	}()
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Nobody has registered: every DN is out of service everywhere", s.before},
		{"Scene 1: a phone registers at each site, and both sites know", s.register},
		{"Scene 2: the link between the sites is cut, and each side goes on with its own DN", s.cut},
		{"Scene 3: the link heals, and no phone has to register again", s.heal},
		{"Scene 4: phone 1001 registers at both sites, and stays in service at both through a cut", s.standBy},
	} {
		fmt.Fprintf(s.Out, "\n%s\n", console.Paint(console.Tinted(scene.title, console.Yellow), s.Colour()))
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
	}
	fmt.Fprintf(s.Out, "\n%s\n", console.Paint(console.Tinted("Every step was observed as expected at both nodes.", console.Green), s.Colour()))
	return nil
}

func (s *stage) before(ctx context.Context) error {
	return s.tables(ctx, nil, nil)
}

// register has DN1 register at dc1 and DN2 at dc2.
func (s *stage) register(ctx context.Context) error {
	for i, number := range []string{dn1, dn2} {
		node := s.cluster.nodes[i]
		p, err := s.phone(number, node, 1)
		if err != nil {
			return err
		}
		s.phones[i] = p
		began := time.Now()
		if err := s.sendRegister(ctx, p, i, number); err != nil {
			return err
		}
		if err := s.both(ctx, began, number, view.InSrv, toldWithin); err != nil {
			return err
		}
	}
	return s.tables(ctx, []string{dn1, dn2}, []string{dn1, dn2})
}

// phone is one of the registrations of a DN's phone, a flow as RFC 5626 has it.
func (s *stage) phone(number string, at devNode, flow int) (*siptest.Phone, error) {
	return siptest.NewPhone(siptest.Config{
		DN: number, Password: demoPassword(number), Domain: s.cluster.realm, Server: at.SIPAddr,
		Params: fmt.Sprintf(`;+sip.instance="<urn:uuid:00000000-0000-4000-8000-00000000%s>";reg-id=%d`, number, flow),
	})
}

func (s *stage) sendRegister(ctx context.Context, p *siptest.Phone, i int, number string) error {
	node := s.cluster.nodes[i]
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	res, err := p.Register(ctx, 10*time.Minute)
	if err != nil {
		return fmt.Errorf("REGISTER of %s at %s: %w", number, node.Name, err)
	}
	fmt.Fprintf(s.Out, "  phone %s: REGISTER to %s at %s over UDP: %d %s\n", number, node.Name, node.SIPAddr, res.Code, res.Reason)
	if res.Code != 200 {
		return fmt.Errorf("REGISTER of %s at %s was answered %d %s", number, node.Name, res.Code, res.Reason)
	}
	return nil
}

// both waits until both nodes told the same of a DN.
func (s *stage) both(ctx context.Context, began time.Time, number string, state tcpb.DNState, within time.Duration) error {
	for _, w := range s.witnesses {
		if err := s.told(ctx, w, began, number, state, within); err != nil {
			return err
		}
	}
	return nil
}

// told waits until a node told of a DN, and prints when and why.
func (s *stage) told(ctx context.Context, w *witness, began time.Time, number string, state tcpb.DNState, within time.Duration) error {
	h, err := w.expect(ctx, number, state, within)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "  %s reports %s: %s %s (%s, owner %s) after %.1f ms\n", w.node.Name, view.EventName(h.event), number,
		console.Paint(view.StateCell(state), s.Colour()), view.ReasonName(h.event.Reason), console.Dash(h.event.Owner), float64(h.at.Sub(began).Microseconds())/1000)
	return err
}

func (s *stage) setLinks(ctx context.Context, cut bool) error {
	pairs := [][2]string{pair(s.cluster.nodes[0].Name, s.cluster.nodes[1].Name)}
	s.state.change(pairs, cut)
	return s.state.apply(ctx, pairs)
}

// cut wants each node to set the other's DN out of service, and to keep its own.
func (s *stage) cut(ctx context.Context) error {
	began := time.Now()
	if err := s.setLinks(ctx, true); err != nil {
		return err
	}
	if err := s.told(ctx, s.witnesses[0], began, dn2, view.OOS, cutWithin); err != nil {
		return err
	}
	if err := s.told(ctx, s.witnesses[1], began, dn1, view.OOS, cutWithin); err != nil {
		return err
	}
	for i, number := range []string{dn1, dn2} {
		if err := s.sendRegister(ctx, s.phones[i], i, number); err != nil { // a refresh, while cut
			return err
		}
	}
	return s.tables(ctx, []string{dn1}, []string{dn2})
}

// heal wants both DNs back in service at both nodes.
func (s *stage) heal(ctx context.Context) error {
	began := time.Now()
	if err := s.setLinks(ctx, false); err != nil {
		return err
	}
	if err := s.told(ctx, s.witnesses[0], began, dn2, view.InSrv, healedWithin); err != nil {
		return err
	}
	if err := s.told(ctx, s.witnesses[1], began, dn1, view.InSrv, healedWithin); err != nil {
		return err
	}
	return s.tables(ctx, []string{dn1, dn2}, []string{dn1, dn2})
}

// standBy wants DN1 in service at both nodes all the time, and one owner again in the end.
func (s *stage) standBy(ctx context.Context) (err error) {
	if s.second, err = s.phone(dn1, s.cluster.nodes[1], 2); err != nil {
		return err
	}
	if err := s.sendRegister(ctx, s.second, 1, dn1); err != nil {
		return err
	}
	for _, w := range s.witnesses {
		if err := w.knowsStandby(ctx, dn1, toldWithin); err != nil {
			return err
		}
	}
	if err := s.tables(ctx, []string{dn1, dn2}, []string{dn1, dn2}); err != nil {
		return err
	}
	for _, cut := range []bool{true, false} {
		other, within, want := view.InSrv, healedWithin, []string{dn1, dn2}
		if cut {
			other, within, want = view.OOS, cutWithin, []string{dn1}
		}
		began := time.Now()
		if err := s.setLinks(ctx, cut); err != nil {
			return err
		}
		if err := s.told(ctx, s.witnesses[0], began, dn2, other, within); err != nil {
			return err
		}
		if err := s.told(ctx, s.witnesses[1], began, dn1, view.InSrv, within); err != nil {
			return err
		}
		if err := s.tables(ctx, want, []string{dn1, dn2}); err != nil {
			return err
		}
	}
	return nil
}

// tables prints what each node lists and wants exactly these DNs to be
// routable at sip1 and sip2, and no event that was not due.
func (s *stage) tables(ctx context.Context, want1, want2 []string) error {
	for i, want := range [][]string{want1, want2} {
		w := s.witnesses[i]
		if err := s.list(ctx, w); err != nil {
			return err
		}
		got, err := w.routable(ctx)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("routable at %s: got [%s], want [%s]", w.node.Name, strings.Join(got, " "), strings.Join(want, " "))
		}
		if err := w.silent(); err != nil {
			return err
		}
	}
	return nil
}

// list prints the two DNs as a node sees them.
func (s *stage) list(ctx context.Context, w *witness) error {
	t := &console.Table{Head: []string{"  " + w.node.Name + " lists", "STATE", "OWNER", "SITE", "REASON", "ROUTABLE"}}
	found := 0
	err := w.client.EachDN(ctx, &tcpb.Filter{Prefix: "100"}, false, func(d *tcpb.DNStatus) error {
		if d.Dn == dn1 || d.Dn == dn2 {
			found++
			t.Add(console.Text("  "+d.Dn), view.StateCell(d.State), console.Text(view.Owner(d)), console.Text(console.Dash(d.Site)), console.Text(console.Dash(view.ReasonName(d.Reason))), console.Text(console.YesNo(d.Routable)))
		}
		return nil
	})
	if err == nil && found < 2 {
		err = errors.New("the demo DNs are not configured at " + w.node.Name)
	}
	if err != nil {
		return err
	}
	return s.Print(t)
}
