// Command gateway is a small desktop gateway: it registers a PSTN agent's DN,
// logs the agent in and makes it ready, until Ctrl-C.
//
//	make run                            in one terminal
//	go run ./api/tlib/examples/gateway  in another
//
// It goes on at the next node when the one it is connected to dies, or drains: the
// DN moves there, and the agent with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

func main() {
	addrs := flag.String("addr", "127.0.0.1:7001,127.0.0.1:7011,127.0.0.1:7021", "TCports, the first that answers is asked")
	dn := flag.String("dn", "2001", "a pstn DN")
	agent := flag.String("agent", "7001", "the agent's id")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	nodes := strings.Split(*addrs, ",")
	c, err := connect(ctx, nodes, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := begin(ctx, c, *dn, *agent); err != nil {
		log.Fatal(err)
	}
	for ctx.Err() == nil {
		e, err := c.Next(ctx)
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil:
			log.Fatal(err)
		}
		show(e)
		d := e.GetNodeDraining()
		if d == nil || d.GetUndone() {
			continue
		}
		if c, err = move(ctx, c, nodes, d.GetServer().GetDraining(), *dn, *agent); err != nil {
			log.Print(err) // the DN stays where it is, while it may
		}
	}
	if err := end(c, *dn); err != nil {
		log.Fatal(err)
	}
	_ = c.Close()
}

// connect opens a session at the first node that answers and does not drain.
func connect(ctx context.Context, nodes, draining []string) (*tlib.Client, error) {
	for i := range nodes {
		as, err := contexts.DialOptions(nodes[i])
		if err != nil {
			return nil, err
		}
		c, err := tlib.Dial(ctx, nodes[i], tlib.Options{Application: "gateway", More: slices.Concat(nodes[i+1:], nodes[:i]), DialOptions: as})
		if err != nil {
			return nil, err // none answers
		}
		if !slices.Contains(draining, c.Server().GetNode()) {
			return c, nil
		}
		_ = c.Close()
	}
	return nil, errors.New("every node drains")
}

// move has the DN at another node before it leaves this one: so nobody sees it out of
// service. It returns the session that has the DN.
func move(ctx context.Context, c *tlib.Client, nodes, draining []string, dn, agent string) (*tlib.Client, error) {
	next, err := connect(ctx, nodes, draining)
	if err != nil {
		return c, err
	}
	if err := begin(ctx, next, dn, agent); err != nil {
		_ = next.Close()
		return c, err
	}
	return next, c.Close()
}

// begin puts the DN in service and the agent to work.
func begin(ctx context.Context, c *tlib.Client, dn, agent string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	e, err := c.RegisterAddress(ctx, dn, tlibpb.AddressMode_ADDRESS_MODE_SHARED)
	if err != nil {
		return err
	}
	show(e)
	// Who is logged in from the last time is told the present state.
	if e, err = c.AgentLogin(ctx, dn, agent, tlibpb.AgentWorkMode_AGENT_WORK_MODE_MANUAL_IN, nil); err != nil {
		return err
	}
	show(e)
	if e, err = c.AgentReady(ctx, dn, tlibpb.AgentWorkMode_AGENT_WORK_MODE_AUTO_IN, map[string]string{"began": time.Now().Format(time.TimeOnly)}); err != nil {
		return err
	}
	show(e)
	return nil
}

// end is what Ctrl-C asks for. Close alone would take the DN out of service too,
// as lost, and leave the agent logged in.
func end(c *tlib.Client, dn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if e, err := c.AgentLogout(ctx, dn, nil); err == nil {
		show(e)
	}
	e, err := c.UnregisterAddress(ctx, dn)
	if err != nil {
		return err
	}
	show(e)
	return nil
}

func show(e *tlibpb.Event) {
	fmt.Printf("%s  %-20s %s", time.Now().Format("15:04:05.000"), tlib.EventName(e.GetMessage()), e.GetThisDn())
	if s := e.GetStatus(); s != nil {
		fmt.Printf(" is %s, owner %s", s.GetState().Word(), s.GetOwner())
	}
	if a := e.GetAgent(); a != nil {
		fmt.Print(" agent ", a.GetId())
	}
	for _, key := range slices.Sorted(maps.Keys(e.GetAgent().GetReasons())) {
		fmt.Printf(" %s=%s", key, e.GetAgent().GetReasons()[key])
	}
	fmt.Println("", e.GetServer().GetNode(), e.GetError().GetText())
}
