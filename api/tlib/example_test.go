package tlib_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// A Stat Server asks once for everything and follows the changes.
func Example() {
	addr, stop := demoNode() // a node's TCport: "10.0.1.10:7001"
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := tlib.Dial(ctx, addr, tlib.Options{Application: "statserver"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.MonitorAll(ctx, nil); err != nil {
		log.Fatal(err)
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
			break // changes follow
		}
		fmt.Printf("%s %s, owner %q\n", tlib.EventName(e.GetMessage()), e.GetThisDn(), e.GetOwner())
	}
	// Output:
	// EventDNBackInService 1001, owner "sip1"
	// EventDNOutOfService 1002, owner ""
}

// A router reserves an agent before it sends a call there. Of two that ask
// within the collection time the greater priority wins.
func ExampleClient_ReserveAgent() {
	addr, stop := demoNode()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := tlib.Dial(ctx, addr, tlib.Options{Application: "router"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, dn := range []string{"1001", "1002"} {
		_, err := c.ReserveAgent(ctx, dn, 30*time.Second, 10)
		var refused *tlib.Error
		switch {
		case err == nil:
			fmt.Println(dn, "is ours for 30s")
		case errors.As(err, &refused):
			fmt.Println(dn, tlib.ErrorName(refused.Code), refused.Text)
		case errors.Is(err, tlib.ErrUnknownOutcome):
			fmt.Println(dn, "may be reserved: cancel it, or wait 30s")
		default:
			log.Fatal(err)
		}
	}
	// Output:
	// 1001 is ours for 30s
	// 1002 RESOURCE_SEIZED DN 1002 is reserved
}

// A desktop gateway registers an agent's pstn DN, which puts it in service, logs
// the agent in and makes it ready. Close takes the DN out of service.
func ExampleClient_RegisterAddress() {
	addr, stop := demoNode()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := tlib.Dial(ctx, addr, tlib.Options{Application: "gateway"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	registered, err := c.RegisterAddress(ctx, "2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(registered.GetThisDn(), registered.GetStatus().GetState().Word())
	if _, err := c.AgentLogin(ctx, "2001", "agent-7", tlibpb.AgentWorkMode_AGENT_WORK_MODE_MANUAL_IN, nil); err != nil {
		log.Fatal(err)
	}
	ready, err := c.AgentReady(ctx, "2001", tlibpb.AgentWorkMode_AGENT_WORK_MODE_AUTO_IN, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tlib.EventName(ready.GetMessage()), "at site", ready.GetAgent().GetReasons()["site"])
	// Output:
	// 2001 InSrv
	// EventAgentReady at site dc1
}
