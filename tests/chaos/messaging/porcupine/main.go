// Checks a history of claims for linearizability: JSON lines on standard input, one call on one message each. Exit code 1 when the
// history is illegal, 2 when that could not be decided in time.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

// Calls on one message. Times are nanoseconds of the clock that all processes share; a claim's seconds count from a moment between
// Call and Return. Slack is what the clocks of two processes may differ by.
type call struct {
	Client  int    `json:"client"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Claim   string `json:"claim"`
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
	TTL     int64  `json:"ttl"`
	Done    bool   `json:"done"`
}

// A message: under which claim it is, the moment before which that cannot have ended, and whether it is gone.
type message struct {
	holder string
	until  int64
	gone   bool
}

const slack = int64(100 * time.Millisecond)

func step(state, input, _ interface{}) (bool, interface{}) {
	now, one := state.(message), input.(call)
	over := one.Return+slack >= now.until
	switch one.Kind {
	case "claim":
		if now.gone || (now.holder != "" && !over) {
			return false, now
		}
		return true, message{one.Claim, one.Call + one.TTL, false}
	case "renew":
		if !one.Done {
			return now.gone || now.holder != one.Claim || over, now
		}
		return !now.gone && now.holder == one.Claim, message{one.Claim, one.Call + one.TTL, now.gone}
	case "release":
		if !now.gone && now.holder == one.Claim {
			return true, message{}
		}
		return true, now
	case "delete":
		if !one.Done {
			return !now.gone && (now.holder != one.Claim || over), now
		}
		return now.gone || now.holder == one.Claim, message{now.holder, now.until, true}
	}
	return false, now
}

func main() {
	model := porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, each := range history {
				name := each.Input.(call).Message
				parts[name] = append(parts[name], each)
			}
			found := make([][]porcupine.Operation, 0, len(parts))
			for _, part := range parts {
				found = append(found, part)
			}
			return found
		},
		Init: func() interface{} { return message{} },
		Step: step,
	}
	var history []porcupine.Operation
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one call
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		history = append(history, porcupine.Operation{ClientId: one.Client, Input: one, Call: one.Call, Output: nil, Return: one.Return})
	}
	result := porcupine.CheckOperationsTimeout(model, history, 2*time.Minute)
	fmt.Println(len(history), "calls:", result)
	switch result {
	case porcupine.Ok:
	case porcupine.Illegal:
		os.Exit(1)
	default:
		os.Exit(2)
	}
}
