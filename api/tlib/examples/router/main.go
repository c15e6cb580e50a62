// Command router shows why two routers never get the same agent: it connects to
// two nodes as two routers would, has both reserve the first DN of a group that
// a call can be sent to, and prints who won.
//
//	make run                           in one terminal
//	sipcluster dev phone 1001          in another
//	go run ./api/tlib/examples/router  in a third
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

func main() {
	addr1 := flag.String("addr1", "127.0.0.1:7001", "TCport of the first router's node")
	addr2 := flag.String("addr2", "127.0.0.1:7011", "TCport of the second router's node")
	group := flag.String("group", "demo", "agent group")
	prio1 := flag.Uint("priority1", 1, "priority of the first router's request")
	prio2 := flag.Uint("priority2", 2, "priority of the second router's")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	var routers [2]*tlib.Client
	for i, addr := range []string{*addr1, *addr2} {
		as, err := contexts.DialOptions(addr)
		if err != nil {
			log.Fatal(err)
		}
		c, err := tlib.Dial(ctx, addr, tlib.Options{Application: fmt.Sprintf("router %d", i+1), DialOptions: as})
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		routers[i] = c
	}
	dn, err := routable(ctx, routers[0], *group)
	if err != nil {
		log.Fatal(err)
	}
	if dn == "" {
		log.Fatalf("group %s has no DN that a call can be sent to: register a phone", *group)
	}
	fmt.Printf("both routers want DN %s\n", dn)

	var wg sync.WaitGroup
	for i, priority := range []uint32{uint32(*prio1), uint32(*prio2)} {
		wg.Go(func() { compete(ctx, routers[i], dn, priority) })
	}
	wg.Wait()
}

// routable is the smallest DN of the group that a call can be sent to.
func routable(ctx context.Context, c *tlib.Client, group string) (dn string, err error) {
	if err := c.MonitorAll(ctx, &tlibpb.MonitorFilter{Group: group}); err != nil {
		return "", err
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			return "", err
		}
		if e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
			break
		}
		if n := e.GetThisDn(); e.GetStatus().GetRoutable() && (dn == "" || len(n) < len(dn) || len(n) == len(dn) && n < dn) {
			dn = n
		}
	}
	return dn, c.StopMonitor(ctx)
}

// compete reserves the DN, for as long as it takes to tell.
func compete(ctx context.Context, c *tlib.Client, dn string, priority uint32) {
	began, who := time.Now(), fmt.Sprintf("the router at %s, priority %d,", c.Server().GetNode(), priority)
	_, err := c.ReserveAgent(ctx, dn, 10*time.Second, priority)
	took := time.Since(began).Round(time.Millisecond)
	var refused *tlib.Error
	switch {
	case errors.As(err, &refused):
		fmt.Printf("%s lost after %v: EventError %s, %v\n", who, took, tlib.ErrorName(refused.Code), refused)
		return
	case err != nil:
		fmt.Printf("%s does not know: %v\n", who, err)
		return
	}
	fmt.Printf("%s has it after %v: EventAgentReserved\n", who, took)
	if _, err := c.CancelReservation(ctx, dn); err != nil {
		fmt.Println(err)
	}
}
