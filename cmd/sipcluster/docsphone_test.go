package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// ringing is how long a phone of scenes rings.
const ringing = 200 * time.Millisecond

// phone is a program of scenes: phone DN PASSWORD DOMAIN SERVER registers, from the address
// FROM of the environment where that is given, answers each call, and calls whom it is
// asked to by REFER; with a number at the end it calls that. SIGUSR1 has it hang up,
// SIGTERM unregister and end too.
func phone(ctx, up context.Context, args []string) error {
	ua, err := siptest.NewUA(siptest.Config{DN: args[0], Password: args[1], Domain: args[2], Server: args[3], Local: os.Getenv("FROM"), Repeats: true})
	if err != nil {
		return err
	}
	defer ua.Close()
	if err := accepted(ua.Register(ctx, time.Minute)); err != nil {
		return err
	}
	fmt.Println("registered")
	defer func() {
		last, done := context.WithTimeout(context.WithoutCancel(ctx), patience.Limit)
		defer done()
		_, _ = ua.Unregister(last)
	}()
	asked := make(chan string, 1)
	ua.OnRequest(func(m *siptest.Message) bool {
		if m.Method != "REFER" {
			return false
		}
		_ = ua.Respond(m, 202, "Accepted", "phone", "Refer-Sub: false")
		asked <- strings.Trim(m.Header("Refer-To"), "<>")
		return true
	})
	if len(args) == 5 {
		asked <- "sip:" + args[4] + "@" + args[2]
	}
	go takes(ctx, ua)
	for {
		select {
		case uri := <-asked:
			if err := places(ctx, up, ua, uri); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// takes answers the calls that come.
func takes(ctx context.Context, ua *siptest.UA) {
	for {
		call, err := ua.Take(ctx)
		if err != nil || call.Ring() != nil {
			return
		}
		select {
		case <-time.After(ringing):
		case <-ctx.Done():
		}
		if call.Answer() != nil {
			return
		}
	}
}

// places calls, and hangs up when up is over.
func places(ctx, up context.Context, ua *siptest.UA, uri string) error {
	call, err := ua.Place(ctx, uri)
	if err != nil {
		return err
	}
	if _, err := call.Await(ctx, 200); err != nil {
		return err
	}
	if err := call.Ack(); err != nil {
		return err
	}
	<-up.Done()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), patience.Limit)
	defer done()
	_, err = call.Bye(last)
	return err
}

func bePhone() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	up, hung := signal.NotifyContext(ctx, syscall.SIGUSR1)
	defer hung()
	if err := phone(ctx, up, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}
