package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// reserveFlags are the choices of reserve.
type reserveFlags struct {
	duration time.Duration
	priority uint32
	detach   bool
}

// ReserveCommand is reserve.
func ReserveCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var f reserveFlags
	cmd := c.Reading(&cobra.Command{
		Use: "reserve DN", Short: "Reserve an agent's DN, so that nobody else sends a call there", Args: cobra.ExactArgs(1),
		Long: `Reserve a DN that a call can be sent to, as a router does before it sends one.
The DN's owner collects requests for a moment; the one with the highest priority
gets it, the others fail. The reservation belongs to this command: it waits until
the time is over, and Ctrl-C cancels; it ends with the command, in whatever way that
ends. With --detach the command exits at once and the node has the reservation: it
stays until its time is over or the node stops, and nobody can cancel it.

With -o json the node's answer is printed, keys without a value left out:
  ` + view.EventJSONHelp,
		Example: "  sipcluster reserve 1001 --for 30s --priority 5",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.duration < time.Millisecond || f.duration > tlib.MaxReservation {
				return console.Usagef("--for %v: want 1ms to %v", f.duration, tlib.MaxReservation)
			}
			return console.Doing("reserve "+args[0], c.reserve(cmd.Context(), args[0], &f))
		},
	})
	flags := cmd.Flags()
	flags.DurationVar(&f.duration, "for", 30*time.Second, "how long the reservation lasts, up to an hour")
	flags.Uint32Var(&f.priority, "priority", 0, "of requests at the same time the one with the highest `NUMBER` wins")
	flags.BoolVar(&f.detach, "detach", false, "exit at once; the node keeps the reservation until its time is over")
	return cmd
}

func (c commands) reserve(ctx context.Context, dn string, f *reserveFlags) error {
	d, err := c.OpenDesk(ctx, false)
	if err != nil {
		return err
	}
	defer d.Close()
	e, err := d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) {
		if f.detach {
			return d.ReserveDetached(ctx, dn, f.duration, f.priority)
		}
		return d.ReserveAgent(ctx, dn, f.duration, f.priority)
	})
	if err != nil {
		return err
	}
	until := e.GetAgentReserved().GetExpiresAt().AsTime()
	if err := c.showReserved(e, until, f.detach); err != nil || f.detach {
		return err
	}
	return c.keepReserved(ctx, d, dn, f.duration)
}

func (c commands) showReserved(e *tlibpb.Event, until time.Time, detach bool) error {
	if c.JSON() {
		j := view.NewEventJSON(e)
		j.Until = until.UTC().Format(time.RFC3339Nano)
		return console.Encode(c.Out, j)
	}
	cancels := "; Ctrl-C cancels"
	if detach {
		cancels = ""
	}
	_, err := fmt.Fprintf(c.Out, "%s%s\n", reservedUntil(e, until), cancels)
	return err
}

// reservedUntil is "2001 is reserved until 16:59:56".
func reservedUntil(e *tlibpb.Event, until time.Time) string {
	return fmt.Sprintf("%s is reserved until %s", e.GetThisDn(), until.Local().Format("15:04:05"))
}

// keepReserved waits until the reservation is over, or cancels it when
// interrupted.
func (c commands) keepReserved(ctx context.Context, d *client.Desk, dn string, rest time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, rest)
	defer cancel()
	for _, err := range d.Events(waiting) {
		switch {
		case client.Interrupted(ctx):
			last, cancel := client.Parting(ctx)
			defer cancel()
			_, err := d.CancelReservation(last, dn)
			return d.Explain(err)
		case client.Interrupted(waiting):
			return nil
		case err != nil:
			return errors.New("the connection to the node was lost, and with it the reservation")
		}
	}
	return nil
}
